import { recordAudit } from "../audit/record-audit.ts";
import type { Clock } from "../core/clock.ts";
import { ConflictFailure, ForbiddenError, type Issue, ValidationFailure } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import { generateToken, hashToken } from "./api-token.ts";
import { ApiToken, Tenant } from "./entities.ts";
import { configuredTokenName, nameIssues, replacedTokenName, roleIssues } from "./names.ts";
import type { OperationContext } from "./operation-context.ts";
import { permissionsIn } from "./permissions.ts";

export interface ApiTokenInput {
  /** What people know it by; unique among the tenant's valid tokens. */
  readonly name: string;
  /** Roles of the permission table, or free names that only make an approver. */
  readonly roles: readonly string[];
  /** In the future. Without it the token is valid until it is revoked. */
  readonly expiresAt?: Date | null | undefined;
}

/**
 * Makes a token of the caller's tenant.
 * @returns The row, and the token's text: in this answer once and nowhere else.
 * @throws ValidationFailure with every problem of the input.
 * @throws ForbiddenError when a role gives what the caller itself may not do.
 * @throws ConflictFailure when a valid token has this name.
 */
export async function createApiToken(
  ctx: OperationContext,
  clock: Clock,
  input: ApiTokenInput,
): Promise<{ readonly token: string; readonly apiToken: ApiToken }> {
  const now = clock.now();
  const issues = inputIssues(input, now);
  if (issues.length > 0) throw new ValidationFailure(issues);
  await refuseClimbing(ctx, input.roles);
  const token = generateToken();
  const apiToken = await ctx.em.transactional(async (em) => {
    // One at a time in a tenant, so that two at once can't take one name or the last place.
    await em.execute("select 1 from tenant where id = ? for no key update", [ctx.tenantId]);
    const valid = { tenantId: ctx.tenantId, revokedAt: null, $or: [{ expiresAt: null }, { expiresAt: { $gt: now } }] };
    if (await em.count(ApiToken, { ...valid, name: input.name })) {
      throw new ConflictFailure("name_taken", "A valid token has this name; revoke it first, or choose another name.");
    }
    if ((await em.count(ApiToken, valid)) >= limits.tokensPerTenantMax) {
      throw new ConflictFailure(
        "too_many_tokens",
        `A tenant has at most ${limits.tokensPerTenantMax} valid tokens; revoke some first.`,
      );
    }
    const created = em.create(ApiToken, {
      tenantId: ctx.tenantId,
      name: input.name,
      hash: hashToken(token),
      roles: [...input.roles],
      expiresAt: input.expiresAt ?? null,
    });
    await em.persist(created).flush();
    const detail = { name: input.name, roles: [...input.roles], expiresAt: input.expiresAt?.toISOString() ?? null };
    await recordAudit(em, ctx, { operation: "createApiToken", subject: `token:${created.id}`, detail });
    return created;
  });
  return { token, apiToken };
}

function inputIssues({ name, roles, expiresAt }: ApiTokenInput, now: Date): Issue[] {
  const issues = [...nameIssues(name), ...roleIssues(roles)];
  if (name === configuredTokenName || name === replacedTokenName) {
    issues.push({
      path: "$.name",
      code: "reserved_name",
      message: "This name belongs to the token of the server's configuration.",
    });
  }
  if (expiresAt && expiresAt <= now) {
    issues.push({ path: "$.expiresAt", code: "not_in_the_future", message: "A token expires in the future." });
  }
  return issues;
}

/** Nobody gives what they do not have. */
async function refuseClimbing(ctx: OperationContext, roles: readonly string[]): Promise<void> {
  const tenant = await ctx.em.findOneOrFail(Tenant, { id: ctx.tenantId });
  const more = [...permissionsIn(tenant.name, roles)].filter((permission) => !ctx.permissions.has(permission));
  if (more.length > 0)
    throw new ForbiddenError(`You can't give roles that may do what you may not: ${more.join(", ")}.`);
}
