import { recordAudit } from "../audit/record-audit.ts";
import { NotFoundFailure } from "../core/failures.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import type { Playbook } from "./entities.ts";
import { findPlaybook, lockPlaybook } from "./find-playbook.ts";
import { playbookChanged } from "./playbook-change.ts";

/**
 * Enables or disables a playbook: a disabled one can't be executed, and nothing triggers it; runs under way go on. Asking for
 * what it is changes nothing.
 * @throws NotFoundFailure when the tenant has no playbook with this key.
 */
export async function setPlaybookEnabled(
  ctx: OperationContext,
  { key, enabled }: { readonly key: string; readonly enabled: boolean },
): Promise<Playbook> {
  const found = await findPlaybook(ctx, key);
  if (!found) throw new NotFoundFailure(`There is no playbook with the key ${JSON.stringify(key)}.`);
  return ctx.em.transactional(async (inner) => {
    const playbook = await lockPlaybook(inner, ctx.tenantId, found.id);
    if (playbook.enabled === enabled) return playbook;
    inner.assign(playbook, { enabled });
    await playbookChanged(inner, playbook);
    await recordAudit(inner, ctx, { operation: "setPlaybookEnabled", subject: `playbook:${key}`, detail: { enabled } });
    return playbook;
  });
}
