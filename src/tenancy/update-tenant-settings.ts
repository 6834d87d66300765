import { LockMode } from "@mikro-orm/core";
import { recordAudit } from "../audit/record-audit.ts";
import { type Issue, ValidationFailure } from "../core/failures.ts";
import { Tenant } from "./entities.ts";
import type { OperationContext } from "./operation-context.ts";

/** What is left out stays as it is. */
export interface TenantSettingsInput {
  readonly allowSelfApproval?: boolean | null | undefined;
  readonly newActionsStartDisabled?: boolean | null | undefined;
}

/**
 * Changes settings of the caller's tenant. Asking for what they are changes nothing.
 * @throws ValidationFailure when a setting is null, or none is given.
 */
export async function updateTenantSettings(ctx: OperationContext, input: TenantSettingsInput): Promise<Tenant> {
  const given = Object.entries(input).filter(([, value]) => value !== undefined);
  const issues: Issue[] = given
    .filter(([, value]) => value === null)
    .map(([name]) => ({
      path: `$.${name}`,
      code: "null",
      message: "A setting is true or false; leave it out to keep it.",
    }));
  if (given.length === 0) issues.push({ path: "$", code: "empty", message: "Give at least one setting." });
  if (issues.length > 0) throw new ValidationFailure(issues);
  return ctx.em.transactional(async (em) => {
    const lock = { refresh: true, lockMode: LockMode.PESSIMISTIC_WRITE } as const;
    const tenant = await em.findOneOrFail(Tenant, { id: ctx.tenantId }, lock);
    const changed = given.filter(([name, value]) => tenant[name as keyof TenantSettingsInput] !== value);
    if (changed.length === 0) return tenant;
    const detail = Object.fromEntries(changed) as Record<string, boolean>;
    em.assign(tenant, detail);
    await em.flush();
    await recordAudit(em, ctx, { operation: "updateTenantSettings", subject: `tenant:${ctx.tenantId}`, detail });
    return tenant;
  });
}
