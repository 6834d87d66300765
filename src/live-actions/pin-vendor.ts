import { NotFoundFailure } from "../core/failures.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { VendorPin } from "./entities.ts";
import type { Registry } from "./registry.ts";
import { requirePair } from "./require-pair.ts";

export interface PinVendorInput {
  readonly capability: string;
  /** Null takes the pin away. */
  readonly vendorId?: string | null | undefined;
}

export interface Pin {
  readonly capability: string;
  readonly vendorId: string | null;
}

/**
 * Sends the tenant's requests for a capability that name no vendor to this one, from now on.
 * @throws ValidationFailure for texts that are no names; NotFoundFailure where no adapter has the pair.
 */
export async function pinVendor(
  { em, tenantId }: OperationContext,
  registry: Registry,
  { capability, vendorId = null }: PinVendorInput,
): Promise<Pin> {
  requirePair({ capability, vendorId });
  if (vendorId === null) {
    await em.nativeDelete(VendorPin, { tenantId, capability });
    return { capability, vendorId };
  }
  if (!registry.find(vendorId, capability)) {
    const others = registry.vendorsOf(capability).join(", ") || "nobody here";
    throw new NotFoundFailure(`This vendor has no adapter for this capability. Who can: ${others}.`);
  }
  await em.upsert(
    VendorPin,
    { tenantId, capability, vendorId },
    { onConflictFields: ["tenantId", "capability"], onConflictMergeFields: ["vendorId"] },
  );
  return { capability, vendorId };
}

/** The tenant's pins, by capability. */
export function listPins({ em, tenantId }: OperationContext): Promise<VendorPin[]> {
  return em.find(VendorPin, { tenantId }, { orderBy: { capability: "asc" }, disableIdentityMap: true });
}
