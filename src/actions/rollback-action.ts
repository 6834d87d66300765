import { recordAudit } from "../audit/record-audit.ts";
import { StateFailure } from "../core/failures.ts";
import { checkReason } from "../core/reason.ts";
import { notifyCatalogue } from "../secrets/notify.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { type Action, ActionVersion } from "./entities.ts";
import { activate, lockAction, requireVersionOf } from "./lock-action.ts";

export interface RollbackInput {
  readonly ref: string;
  /** MAJOR.MINOR.PATCH, of any version that was not withdrawn. */
  readonly version: string;
  readonly reason?: string | null | undefined;
}

/**
 * Makes a version the active one, and holds back the versions above it in its line: no reference by line resolves to them until a
 * newer version of the line is registered or one of them is made active again. Nothing is deleted.
 * @throws ValidationFailure, NotFoundFailure, StateFailure `version_withdrawn`.
 */
export async function rollbackAction(
  context: OperationContext,
  { ref, version, reason }: RollbackInput,
): Promise<Action> {
  const { tenantId } = context;
  checkReason(reason);
  return context.em.fork().transactional(async (em) => {
    const action = await lockAction(em, tenantId, ref);
    const target = await requireVersionOf(em, action, version);
    if (target.status === "WITHDRAWN") {
      throw new StateFailure(
        "version_withdrawn",
        `${action.name}@${version} was withdrawn: choose another, or register a newer one.`,
      );
    }
    const { major, minor, patch } = target;
    const line = { tenantId, actionId: action.id, major, minor };
    const heldBack = await em.nativeUpdate(
      ActionVersion,
      { ...line, patch: { $gt: patch }, status: "REGISTERED" },
      { status: "HELD_BACK" },
    );
    const released = await em.nativeUpdate(
      ActionVersion,
      { ...line, patch: { $lte: patch }, status: "HELD_BACK" },
      { status: "REGISTERED" },
    );
    if (action.activeVersionId === target.id && heldBack + released === 0) return action;
    activate(action, target);
    await em.flush();
    const detail = { version, heldBack, released, reason: reason ?? null };
    await recordAudit(em, context, { operation: "rollbackAction", subject: `action:${action.name}`, detail });
    await notifyCatalogue(em, tenantId);
    return action;
  });
}
