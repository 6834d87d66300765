import type { JsonObject } from "../core/json.ts";
import type { VendorHttp } from "./vendor-http.ts";

/** How far a live action reaches, from looking to what can't be lived with for long. */
export const impacts = ["READ_ONLY", "LOW", "MODERATE", "HIGH", "SEVERE"] as const;
export type Impact = (typeof impacts)[number];

/** A parameter that says who asks the vendor, or where the vendor is. Read from the request's params, else from the credential store. */
export interface CredentialParam {
  /** As in `params` and in the credential store, e.g. `okta_api_token`. Begins with what no other vendor's begins with. */
  readonly name: string;
  /**
   * Where it is missing, the dispatch is simulated: nobody is contacted. `group` names one of several ways to sign in, e.g. `token` or
   * `password`, or several where it belongs to more than one: all of one group must be there. `false`: never missed.
   */
  readonly isRequired: boolean | { readonly group: string | readonly string[] };
  /** False for an address or a region, which is no secret. */
  readonly isSecret: boolean;
  readonly description: string;
}

/** What is asked for, as an adapter sees it. User text: it reaches a vendor's query or URL escaped, or not at all. */
export interface AdapterRequest {
  /** Names the dispatch; the same for a repetition of it. */
  readonly requestId: string;
  readonly target: string;
  /** Without credentials: neither this vendor's nor any other's. */
  readonly params: JsonObject;
}

export interface AdapterCall extends AdapterRequest {
  /** This vendor's own, by name; every required one is there. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly http: VendorHttp;
  /** Aborted when the dispatch's time is over. */
  readonly signal: AbortSignal;
}

/** What came of it. Details are shown as they are: no secret, no sign-in link. */
export type AdapterResult =
  /** It took effect. `accepted` where the vendor reports completion later and did not within the adapter's bound. */
  | {
      readonly status: "SUCCEEDED";
      readonly summary: string;
      readonly details: JsonObject;
      readonly completion?: "confirmed" | "accepted";
      readonly warnings?: readonly string[];
    }
  /** `error` is a stable code in lower_snake. `isPartial`: some of it took effect, and the details hold what `rollback` needs to undo that. */
  | {
      readonly status: "FAILED";
      readonly error: string;
      readonly summary: string;
      readonly details: JsonObject;
      readonly isPartial?: boolean;
    }
  /** Nobody was contacted, though nothing was missing: of placeholders. */
  | { readonly status: "SIMULATED"; readonly summary: string; readonly details: JsonObject };

/** A problem of the request that makes the call pointless: told before anybody is contacted, in a dry run too. */
export interface RequestProblem {
  readonly error: "invalid_target" | "invalid_params";
  readonly message: string;
}

/** One capability of one vendor. A value without state; what it needs is in the call. */
export interface Adapter {
  /** lower_snake, e.g. `aws_security_groups`. */
  readonly vendorId: string;
  /** lower_snake, e.g. `isolate_host`. */
  readonly capability: string;
  /** One or two sentences for whoever chooses it; says what is odd about it. */
  readonly description: string;
  readonly credentials: readonly CredentialParam[];
  readonly impact: Impact;
  /** The capability that undoes it, where there is one, e.g. `unisolate_host`. */
  readonly reversedBy?: string;
  /** Doing it twice is doing it once: it may be called again when nobody knows whether the first call took effect. */
  readonly isIdempotent: boolean;
  /** Bound of one call, in milliseconds. */
  readonly timeoutMs: number;
  /** What is wrong with the request. Pure. */
  check?(request: AdapterRequest): RequestProblem | undefined;
  /** What one call costs where a tenant's policy does not say; 0 without it. */
  readonly costPerCall?: number;
  /** What a call would do, for a simulated result. Pure: no credentials, no I/O. A promise where another thread knows. */
  preview(request: AdapterRequest): JsonObject | Promise<JsonObject>;
  /** Makes the vendor's real calls. What it throws becomes a failed result. */
  execute(call: AdapterCall): Promise<AdapterResult>;
  /** Undoes what the call of these details did; left out where it can't be undone, and `irreversible` says why. */
  rollback?(call: AdapterCall, details: JsonObject): Promise<AdapterResult>;
  readonly irreversible?: string;
}
