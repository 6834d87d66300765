import { recordAudit } from "../audit/record-audit.ts";
import { notifyCatalogue } from "../secrets/notify.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import type { Action } from "./entities.ts";
import { lockAction } from "./lock-action.ts";

/**
 * Enables or disables an action with all its versions. A disabled one runs in the sandbox only. Asking for what it is changes nothing.
 * @throws ValidationFailure for what is no reference to an action, NotFoundFailure.
 */
export async function setActionEnabled(
  context: OperationContext,
  { ref, enabled }: { readonly ref: string; readonly enabled: boolean },
): Promise<Action> {
  return context.em.fork().transactional(async (em) => {
    const action = await lockAction(em, context.tenantId, ref);
    if (action.enabled === enabled) return action;
    action.enabled = enabled;
    await em.flush();
    const deed = { operation: "setActionEnabled", subject: `action:${action.name}`, detail: { enabled } };
    await recordAudit(em, context, deed);
    await notifyCatalogue(em, context.tenantId);
    return action;
  });
}
