import { recordAudit } from "../audit/record-audit.ts";
import { NotFoundFailure } from "../core/failures.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Secret } from "./entities.ts";
import { isEntryName } from "./names.ts";
import { notifyCatalogue } from "./notify.ts";

/** Takes a secret out of the credential store. @throws NotFoundFailure when the caller's tenant has none of that name. */
export async function deleteSecret(ctx: OperationContext, name: string): Promise<void> {
  const { tenantId } = ctx;
  await ctx.em.transactional(async (em) => {
    const deleted = isEntryName(name) ? await em.nativeDelete(Secret, { tenantId, name }) : 0;
    if (deleted === 0) throw new NotFoundFailure("There is no secret of this name.");
    await recordAudit(em, ctx, { operation: "deleteSecret", subject: `secret:${name}` });
    await notifyCatalogue(em, tenantId);
  });
}
