import { recordAudit } from "../audit/record-audit.ts";
import type { Clock } from "../core/clock.ts";
import { NotFoundFailure } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import { ApiToken } from "./entities.ts";
import type { OperationContext } from "./operation-context.ts";

/**
 * Ends a token of the caller's tenant, the caller's own too. Again changes nothing: the first instant stays.
 * Other nodes, and open streams, notice within `limits.tokenBelievedMs`; this process once the authenticator forgets it.
 * @throws NotFoundFailure when the tenant has no such token.
 */
export async function revokeApiToken(ctx: OperationContext, clock: Clock, id: string): Promise<ApiToken> {
  const mine = { id, tenantId: ctx.tenantId };
  const notFound = () => new NotFoundFailure("There is no such token.");
  if (!isUuid(id)) throw notFound();
  return ctx.em.transactional(async (em) => {
    const revoked = await em.nativeUpdate(ApiToken, { ...mine, revokedAt: null }, { revokedAt: clock.now() });
    const token = await em.findOneOrFail(ApiToken, mine, { refresh: true, failHandler: notFound });
    const detail = { name: token.name };
    if (revoked > 0) await recordAudit(em, ctx, { operation: "revokeApiToken", subject: `token:${id}`, detail });
    return token;
  });
}
