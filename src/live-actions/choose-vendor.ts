import type { AcceptedRequest } from "./accept-request.ts";
import { planCredentials } from "./credentials.ts";
import type { DispatchResult } from "./dispatch-result.ts";
import type { Governance } from "./governance.ts";
import type { Registered, Registry } from "./registry.ts";

export type Choice =
  | { readonly vendorId: string; readonly registered: Registered }
  /** The vendor that was meant, where one was. */
  | { readonly vendorId: string | undefined; readonly refusal: DispatchResult };

/**
 * Whose adapter a request goes to: the vendor that it names, else the tenant's pinned one, else the only one that there are credentials for
 * (or the only one at all).
 */
export function chooseVendor(
  registry: Registry,
  request: AcceptedRequest,
  { pinnedVendorId, stored }: Pick<Governance, "pinnedVendorId" | "stored">,
): Choice {
  const { capability, given } = request;
  const available = registry.vendorsOf(capability);
  const named = request.vendorId ?? pinnedVendorId ?? (available.length === 1 ? available[0] : undefined);
  if (named !== undefined || available.length === 0) {
    const registered = named === undefined ? undefined : registry.find(named, capability);
    return registered && named !== undefined
      ? { vendorId: named, registered }
      : { vendorId: named, refusal: notFound(capability, named, available) };
  }
  const pairs = available.flatMap((vendorId) => registry.find(vendorId, capability) ?? []);
  const search = { given, stored, mayRedirect: true };
  const ready = pairs.filter(({ adapter }) => planCredentials(adapter, search).missing.length === 0);
  const [only] = ready;
  if (only && ready.length === 1) return { vendorId: only.adapter.vendorId, registered: only };
  const choices = pairs.map((pair) => ({ vendor_id: pair.adapter.vendorId, configured: ready.includes(pair) }));
  const reason = ready.length === 0 ? "none of them has credentials" : "several have credentials";
  return {
    vendorId: undefined,
    refusal: {
      status: "FAILED",
      error: "vendor_ambiguous",
      summary: `Several vendors can do ${capability}, and ${reason}: name one in vendorId, or pin one.`,
      details: { choices },
      warnings: [],
    },
  };
}

function notFound(capability: string, vendorId: string | undefined, available: readonly string[]): DispatchResult {
  const who = vendorId === undefined ? "No vendor" : `Vendor ${vendorId}`;
  const others = available.length === 0 ? "Nobody does here." : `Who can: ${available.join(", ")}.`;
  return {
    status: "FAILED",
    error: "executor_not_found",
    summary: `${who} has no adapter for ${capability}. ${others}`,
    details: { available_vendors_for_capability: [...available] },
    warnings: [],
  };
}
