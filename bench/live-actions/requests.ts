import { type BenchVendor, benchCapability, credentialOf, vendorTimes } from "./adapters.ts";
import { clientOperation } from "./documents.ts";

export interface OperationText {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** How an action is dispatched: by which adapter, with the credential in the request or in the store. */
export interface Way {
  readonly vendor: BenchVendor;
  readonly credentials: "params" | "store";
}

const dispatch = clientOperation("DispatchLiveAction");
let targets = 0;

/** Each on a target of its own. */
export function dispatchRequest({ vendor, credentials }: Way): OperationText {
  targets += 1;
  const given = credentials === "params" ? { [credentialOf(vendor)]: "token-of-the-request" } : {};
  const params = { ...given, reason: "Brute-force login against the VPN gateway", isolation_type: "full" };
  const input = { capability: benchCapability, vendorId: vendor, target: `host-${targets}.example.net`, params };
  return { query: dispatch, variables: { input: { ...input, caseId: "case-4711" } } };
}

export const putCredentials: readonly OperationText[] = Object.keys(vendorTimes).map((vendor) => ({
  query: clientOperation("PutSecret"),
  variables: { input: { name: credentialOf(vendor), value: "token-of-the-store" } },
}));

/** Queries that many ask at once. */
export const pages: Readonly<Record<string, OperationText>> = {
  "live actions, the whole catalogue": { query: clientOperation("CapabilityCatalogue"), variables: {} },
  "50 actions with their versions": { query: clientOperation("ActionCatalogue"), variables: { first: 50 } },
};
