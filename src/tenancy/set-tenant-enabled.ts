import type { EntityManager } from "@mikro-orm/postgresql";
import { recordAudit } from "../audit/record-audit.ts";
import { NotFoundFailure, StateFailure } from "../core/failures.ts";
import { localId } from "../core/global-id.ts";
import { isUuid } from "../core/ids.ts";
import { isStorableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { checkReason } from "../core/reason.ts";
import { enterTenant } from "../database/request-orm.ts";
import { type DisabledTenants, tenantChannel } from "./disabled-tenants.ts";
import { Tenant } from "./entities.ts";
import type { OperationContext } from "./operation-context.ts";

export interface SetTenantEnabledInput {
  /** Its name, its id, or its UUID. */
  readonly tenant: string;
  readonly enabled: boolean;
  readonly reason?: string | null | undefined;
}

/** What operations about other tenants need of the process. */
export interface TenantDesk {
  /** A fork of its own, of nobody's tenant: for finding one by its name. */
  readonly em: () => EntityManager;
  readonly tenants: Pick<DisabledTenants, "renew">;
}

/**
 * Disables a tenant, or enables it again. From then on nothing is done for it: callers, agents and events are refused, schedules pass their ticks
 * over, and runs end as soon as there is something to do for them. Again changes nothing: the first instant and its reason stay.
 * The caller needs `tenant:create`, which only admins of the host tenant have; that tenant can't be disabled.
 * @returns The tenant as it is now. Other nodes know it within `limits.disabledTenantsLookMs`.
 * @throws ValidationFailure for a reason that can't be kept; NotFoundFailure; StateFailure `own_tenant`.
 */
export async function setTenantEnabled(
  ctx: OperationContext,
  desk: TenantDesk,
  { tenant: nameOrId, enabled, reason = null }: SetTenantEnabledInput,
): Promise<Tenant> {
  checkReason(reason);
  const { id, name } = await findTenant(desk.em(), nameOrId);
  if (id === ctx.tenantId && !enabled) {
    const message = "You can't disable your own tenant: nobody could enable it again.";
    throw new StateFailure("own_tenant", message);
  }
  const tenant = await ctx.em.transactional(async (em) => {
    await enterTenant(em, id);
    const values = enabled ? [id] : [reason, id];
    const changed = await em.execute<unknown[]>(enabled ? enableSql : disableSql, values);
    if (changed.length > 0) {
      const deed = { operation: "setTenantEnabled", subject: `tenant:${id}` };
      // What its own people see in their trail: that and when, not who or why.
      const operator = { kind: "SYSTEM", name: "who operates the server" };
      if (id !== ctx.tenantId)
        await recordAudit(em, { tenantId: id, actor: operator }, { ...deed, detail: { enabled } });
      await enterTenant(em, ctx.tenantId);
      await recordAudit(em, ctx, { ...deed, detail: { name, enabled, reason } });
      await em.execute("select pg_notify(?, ?)", [tenantChannel, id]);
      await enterTenant(em, id);
    }
    return em.findOneOrFail(Tenant, { id }, { disableIdentityMap: true });
  });
  // On this node at once. Where that fails, its next look does it: the tenant is what was written.
  await desk.tenants.renew().catch(() => undefined);
  return tenant;
}

const disableSql = `update tenant set disabled_at = clock_timestamp(), disabled_reason = ? where id = ? and disabled_at is null returning id`;
const enableSql = `update tenant set disabled_at = null, disabled_reason = null where id = ? and disabled_at is not null returning id`;

async function findTenant(em: EntityManager, nameOrId: string): Promise<Tenant> {
  const id = isUuid(nameOrId) ? nameOrId : localId("Tenant", nameOrId);
  const isName = nameOrId.length <= limits.nameLengthMax && isStorableText(nameOrId);
  const where = id !== undefined && isUuid(id) ? { id } : isName ? { name: nameOrId } : undefined;
  const tenant = where && (await em.findOne(Tenant, where, { disableIdentityMap: true }));
  if (!tenant) throw new NotFoundFailure("There is no tenant of this name or id.");
  return tenant;
}
