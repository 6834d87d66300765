import type { Json } from "../core/json.ts";

/** One HTTP request to a vendor. */
export interface VendorRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Absolute. Whoever builds it has escaped what came from users. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** At most one of them. */
  readonly json?: Json;
  readonly form?: Readonly<Record<string, string>>;
  /** Sent byte for byte, with the content type of `headers`: for bodies that are signed. */
  readonly text?: string;
  /** Only where a tenant says that its own server has a certificate of its own. */
  readonly allowsUntrustedCertificate?: boolean;
}

export interface VendorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The body read as JSON; undefined where it is empty or no JSON. */
  readonly body: Json | undefined;
  readonly text: string;
}

/** The vendor answered, and refused (4xx, 5xx), or answered what can't be read. */
export class VendorError extends Error {
  override readonly name = "VendorError";
  readonly status: number | undefined;
  readonly body: Json | undefined;
  constructor(message: string, status?: number, body?: Json) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/** What adapters speak to their vendors with, made for one dispatch: of one tenant, bounded by its signal, through the egress policy. */
export interface VendorHttp {
  /**
   * Sends, and answers whatever the vendor answered. 429, and 503 with Retry-After, are waited for and sent again, within bounds.
   * @throws EgressRefused, the signal's reason, or Error with a code such as `connection_refused`.
   */
  send(request: VendorRequest): Promise<VendorAnswer>;
  /** The same for where only success will do. @throws VendorError for a status of 400 and more. */
  call(request: VendorRequest): Promise<VendorAnswer>;
  /**
   * Calls with a bearer token that is kept until shortly before it expires. A 401 drops the token and asks for a fresh one, once.
   * @param key Names the token among this vendor's, e.g. its client id: never another's token is handed out, nor another tenant's.
   */
  callWithToken(
    key: string,
    fetchToken: () => Promise<{ readonly token: string; readonly expiresInMs: number }>,
    request: (token: string) => VendorRequest,
  ): Promise<VendorAnswer>;
  /** For APIs that are waited for. @throws The signal's reason. */
  sleep(ms: number): Promise<void>;
}
