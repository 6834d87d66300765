import { notifyCatalogue } from "../secrets/notify.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import type { Action } from "./entities.ts";
import { lockAction } from "./lock-action.ts";

/**
 * Enables or disables an action with all its versions. A disabled one runs in the sandbox only.
 * @throws ValidationFailure for what is no reference to an action, NotFoundFailure.
 */
export async function setActionEnabled(
  context: OperationContext,
  { ref, enabled }: { readonly ref: string; readonly enabled: boolean },
): Promise<Action> {
  return context.em.fork().transactional(async (em) => {
    const action = await lockAction(em, context.tenantId, ref);
    action.enabled = enabled;
    await em.flush();
    await notifyCatalogue(em, context.tenantId);
    return action;
  });
}
