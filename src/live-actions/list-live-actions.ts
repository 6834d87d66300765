import type { EntityManager } from "@mikro-orm/postgresql";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { isConfigured, secretNamesOf } from "./credentials.ts";
import { costOf, type Policy } from "./governance.ts";
import type { AdapterSource, Registered, Registry } from "./registry.ts";

/** Narrows the catalogue; what is left out does not. All of it has to fit. */
export interface LiveActionFilter {
  readonly capability?: string | null | undefined;
  readonly vendorId?: string | null | undefined;
  readonly source?: AdapterSource | null | undefined;
  readonly configured?: boolean | null | undefined;
}

/** A pair, and what it is to the caller's tenant. */
export interface LiveAction extends Registered {
  readonly isConfigured: boolean;
  readonly costPerCall: number;
}

/** The pairs of this server, sorted by vendor, then capability: by one statement, or none where nothing fits. */
export async function listLiveActions(
  { em, tenantId }: OperationContext,
  registry: Registry,
  filter: LiveActionFilter,
): Promise<LiveAction[]> {
  const { capability, vendorId, source, configured } = filter;
  const fitting = registry.all().filter((registered) => {
    const { adapter } = registered;
    if (capability != null && adapter.capability !== capability) return false;
    if (vendorId != null && adapter.vendorId !== vendorId) return false;
    return source == null || registered.source === source;
  });
  if (fitting.length === 0) return [];
  const { stored, policies } = await readTenant(em, tenantId, secretNames(fitting));
  const all = fitting.map((registered) => ({
    ...registered,
    isConfigured: isConfigured(registered.adapter, stored),
    costPerCall: costOf(policies, registered.adapter),
  }));
  return configured == null ? all : all.filter((each) => each.isConfigured === configured);
}

/** What secrets of the tenant the adapters could need, in all. */
function secretNames(pairs: readonly Registered[]): readonly string[] {
  return [...new Set(pairs.flatMap(({ adapter }) => secretNamesOf(adapter, new Map())))];
}

interface TenantsPart {
  readonly stored: ReadonlySet<string>;
  readonly policies: readonly Policy[];
}

async function readTenant(em: EntityManager, tenantId: string, names: readonly string[]): Promise<TenantsPart> {
  const values = [tenantId, JSON.stringify(names), tenantId];
  const [row] = await em.execute<{ stored: string[] | null; policies: Policy[] | null }[]>(tenantSql, values);
  return { stored: new Set(row?.stored ?? []), policies: row?.policies ?? [] };
}

const tenantSql = `
select
  (select json_agg(name) from secret where tenant_id = ? and name in (select jsonb_array_elements_text(?::jsonb))) as stored,
  (select json_agg(json_build_object('capability', capability, 'vendorId', vendor_id, 'costPerCall', cost_per_call))
   from live_action_policy where tenant_id = ? and cost_per_call is not null) as policies`;

export interface CapabilityVendor {
  readonly vendorId: string;
  readonly isConfigured: boolean;
  readonly isPinned: boolean;
}

/** Who can do something, sorted, and to whom the tenant's requests go that name no vendor. */
export async function vendorsOfCapability(
  ctx: OperationContext,
  registry: Registry,
  capability: string,
): Promise<CapabilityVendor[]> {
  const pairs = await listLiveActions(ctx, registry, { capability });
  if (pairs.length === 0) return [];
  const pin = await ctx.em.execute<{ vendor_id: string }[]>(
    "select vendor_id from vendor_pin where tenant_id = ? and capability = ?",
    [ctx.tenantId, capability],
  );
  return pairs.map(({ adapter: { vendorId }, isConfigured }) => ({
    vendorId,
    isConfigured,
    isPinned: pin[0]?.vendor_id === vendorId,
  }));
}
