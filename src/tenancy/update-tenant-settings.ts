import { type Issue, ValidationFailure } from "../core/failures.ts";
import { Tenant } from "./entities.ts";
import type { OperationContext } from "./operation-context.ts";

/** What is left out stays as it is. */
export interface TenantSettingsInput {
  readonly allowSelfApproval?: boolean | null | undefined;
  readonly newActionsStartDisabled?: boolean | null | undefined;
}

/**
 * Changes settings of the caller's tenant.
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
  await ctx.em.nativeUpdate(Tenant, { id: ctx.tenantId }, Object.fromEntries(given));
  return ctx.em.findOneOrFail(Tenant, { id: ctx.tenantId }, { refresh: true });
}
