import { recordAudit } from "../audit/record-audit.ts";
import { NotFoundFailure } from "../core/failures.ts";
import { newId } from "../core/ids.ts";
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
 * Sends the tenant's requests for a capability that name no vendor to this one, from now on. Pinning what is pinned changes nothing.
 * @throws ValidationFailure for texts that are no names; NotFoundFailure where no adapter has the pair.
 */
export async function pinVendor(
  ctx: OperationContext,
  registry: Registry,
  { capability, vendorId = null }: PinVendorInput,
): Promise<Pin> {
  requirePair({ capability, vendorId });
  if (vendorId !== null && !registry.find(vendorId, capability)) {
    const others = registry.vendorsOf(capability).join(", ") || "nobody here";
    throw new NotFoundFailure(`This vendor has no adapter for this capability. Who can: ${others}.`);
  }
  const { tenantId } = ctx;
  await ctx.em.transactional(async (em) => {
    const changed = await em.execute(vendorId === null ? unpinSql : pinSql, [
      ...(vendorId === null ? [tenantId, capability] : [newId(), tenantId, capability, vendorId]),
    ]);
    if (changed.length === 0) return;
    await recordAudit(em, ctx, { operation: "pinVendor", subject: `capability:${capability}`, detail: { vendorId } });
  });
  return { capability, vendorId };
}

// Both answer a row where something changed.
const unpinSql = "delete from vendor_pin where tenant_id = ? and capability = ? returning id";
const pinSql = `
insert into vendor_pin (id, tenant_id, capability, vendor_id) values (?, ?, ?, ?)
on conflict (tenant_id, capability) do update set vendor_id = excluded.vendor_id where vendor_pin.vendor_id <> excluded.vendor_id
returning id`;

/** The tenant's pins, by capability. */
export function listPins({ em, tenantId }: OperationContext): Promise<VendorPin[]> {
  return em.find(VendorPin, { tenantId }, { orderBy: { capability: "asc" }, disableIdentityMap: true });
}
