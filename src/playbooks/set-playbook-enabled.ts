import { NotFoundFailure } from "../core/failures.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Playbook } from "./entities.ts";
import { findPlaybook } from "./find-playbook.ts";

/**
 * Enables or disables a playbook: a disabled one can't be executed; runs under way go on. Asking for what it is changes nothing.
 * @throws NotFoundFailure when the tenant has no playbook with this key.
 */
export async function setPlaybookEnabled(
  ctx: OperationContext,
  { key, enabled }: { readonly key: string; readonly enabled: boolean },
): Promise<Playbook> {
  const playbook = await findPlaybook(ctx, key);
  if (!playbook) throw new NotFoundFailure(`There is no playbook with the key ${JSON.stringify(key)}.`);
  await ctx.em.nativeUpdate(Playbook, { tenantId: ctx.tenantId, id: playbook.id }, { enabled });
  return Object.assign(playbook, { enabled });
}
