import type { Json } from "../../core/json.ts";
import type { VendorRequest } from "../vendor-http.ts";

interface BearerRequest extends Pick<VendorRequest, "method" | "url"> {
  readonly json: Json | undefined;
}

/** What `callWithToken` sends to a vendor that takes bearer tokens. */
export function bearerRequest({ method, url, json }: BearerRequest) {
  return (token: string): VendorRequest => ({
    method,
    url,
    headers: { authorization: `Bearer ${token}` },
    ...(json !== undefined && { json }),
  });
}
