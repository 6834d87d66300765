// What a plugin and the server have in common. The file imports nothing, so that a plugin elsewhere can keep a copy of it.

/** What a plugin's module exports as `setup`. It is called once, before the server takes requests; it may be async. */
export type Setup = (host: PluginHost) => void | Promise<void>;

/** What `setup` is given. */
export interface PluginHost {
  /**
   * Offers one capability of one vendor. Works while `setup` runs, and not after.
   * @throws TypeError for what is no executor, which ends the start of the server unless it is caught.
   */
  readonly registerExecutor: (executor: LiveActionExecutor) => void;
}

/** One capability of one vendor. A value, or an instance of a class; its methods are called on it. */
export interface LiveActionExecutor {
  /** lower_snake, e.g. `acme_edr`. */
  readonly vendorId: string;
  /** lower_snake, best one of the taxonomy, e.g. `isolate_host`. Of each pair of vendor and capability a server has one. */
  readonly capability: string;
  /** One or two sentences for whoever chooses it. Not empty. */
  readonly description: string;
  /** Whether a dispatch without credentials is only simulated. True where `credentialParams` has something, unless said otherwise. */
  readonly requiresCredentials?: boolean;
  /** What says who asks the vendor, and where the vendor is. No other vendor's credential may have one of these names. */
  readonly credentialParams?: readonly (string | PluginCredential)[];
  /** How far it reaches. As the taxonomy has it for the capability, HIGH for one outside it. */
  readonly impact?: "READ_ONLY" | "LOW" | "MODERATE" | "HIGH" | "SEVERE";
  /** The capability that undoes it. */
  readonly reversedBy?: string;
  /** Doing it twice is doing it once. False. */
  readonly isIdempotent?: boolean;
  /** What one call costs where a tenant's policy says nothing. 0. */
  readonly costPerCall?: number;
  /** Bound of one call, in milliseconds; 30,000, and at most 600,000. */
  readonly timeoutMs?: number;
  /** Does it. Never called in a dry run, nor without the credentials that are required. What it throws is a failed result. */
  execute(request: LiveActionRequest): LiveActionResult | Promise<LiveActionResult>;
  /** What a call would do, for the details of a simulated result. Contacts nobody, within 5 s. */
  preview?(request: PreviewRequest): JsonRecord | Promise<JsonRecord>;
  /** Undoes what a call with these details did, which succeeded, or failed with `completion: "partial"`. Without it, nothing can be rolled back. */
  rollback?(
    request: LiveActionRequest,
    result: { readonly status: "SUCCEEDED" | "FAILED"; readonly details: JsonRecord },
  ): LiveActionResult | Promise<LiveActionResult>;
}

/** A parameter of the request or a secret of the tenant's credential store. A name alone is a secret that is required. */
export interface PluginCredential {
  /** lower_snake, e.g. `acme_token`. Begins with what no other vendor's begins with. */
  readonly name: string;
  /** Whether nobody is contacted without it; true. `group`: one of several ways to sign in, all of one of which have to be there. */
  readonly isRequired?: boolean | { readonly group: string | readonly string[] };
  /** False for an address or a region; true. An address is known by its name: see docs/plugins.md of Riposte. */
  readonly isSecret?: boolean;
  readonly description?: string;
}

export interface PreviewRequest {
  /** Names the dispatch; the same for a repetition of it. */
  readonly requestId: string;
  readonly vendorId: string;
  readonly capability: string;
  /** User text, as is `params`: escape it before it becomes part of a query or a URL. */
  readonly target: string;
  /** Without credentials. */
  readonly params: JsonRecord;
}

export interface LiveActionRequest extends PreviewRequest {
  /** This executor's own, by name. Don't log them, and don't put them into a result. */
  readonly credentials: Readonly<Record<string, string>>;
  /** Aborted when the time is over, and when the server stops. Pass it on, to `fetch` say. */
  readonly signal: AbortSignal;
}

/** What came of it: plain JSON of at most 1 MiB. */
export interface LiveActionResult {
  /** In capitals or not. SUCCEEDED: it took effect. SIMULATED: nobody was contacted. */
  readonly status: "SUCCEEDED" | "SIMULATED" | "FAILED" | "succeeded" | "simulated" | "failed";
  /** One line, for people. */
  readonly summary: string;
  readonly details?: JsonRecord;
  /** Of a failed one: a stable code in lower_snake, e.g. `target_not_found`. */
  readonly error?: string | null;
  /**
   * Of a succeeded one. `accepted`: the vendor completes it later, and was not asked for long enough. Of a failed one, `partial`: some of it
   * took effect, and `details` hold what `rollback` needs to undo that.
   */
  readonly completion?: "confirmed" | "accepted" | "partial";
  readonly warnings?: readonly string[];
  /** Need not be there; where they are not the request's, the request's are taken, with a warning. */
  readonly requestId?: string;
  readonly vendorId?: string;
  readonly capability?: string;
}

/** An object that is JSON all through: no functions, no class instances, nothing that holds itself. */
export type JsonRecord = { readonly [key: string]: JsonValue };
type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonRecord;
