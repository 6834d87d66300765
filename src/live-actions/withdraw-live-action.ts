import { recordAudit } from "../audit/record-audit.ts";
import { NotFoundFailure, StateFailure } from "../core/failures.ts";
import { isStorableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { checkReason } from "../core/reason.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import type { DispatchPorts } from "./dispatch-live-action.ts";
import { unshared } from "./dispatch-rows.ts";
import { LiveActionDispatch } from "./entities.ts";
import { withdrawDispatch } from "./withdraw-dispatch.ts";

export interface WithdrawInput {
  readonly requestId: string;
  readonly reason?: string | null | undefined;
}

/**
 * Takes back a live action that people have not decided about: it ends as `withdrawn`, nobody is contacted, and nobody is asked any more. Against a
 * decision or the end of its time, the first to commit wins. Whoever may dispatch may do it, not only who asked: it does less than a dispatch,
 * and who asked may be gone, or be a step of a run.
 * @returns The dispatch as it ended.
 * @throws NotFoundFailure; StateFailure `live_action_running` or `live_action_ended`; ValidationFailure for a reason that can't be kept.
 */
export async function withdrawLiveAction(
  ctx: OperationContext,
  { news }: Pick<DispatchPorts, "news">,
  { requestId, reason = null }: WithdrawInput,
): Promise<LiveActionDispatch> {
  checkReason(reason);
  const { em, tenantId, actor } = ctx;
  const isId = requestId.length <= limits.idLengthMax && isStorableText(requestId);
  const where = { tenantId, mode: "LIVE", requestId } as const;
  const known = isId ? await em.findOne(LiveActionDispatch, where, unshared) : null;
  if (!known) throw new NotFoundFailure("There is no live action of this requestId; dry runs wait for nobody.");
  const summary = `${actor.name} withdrew it before anybody decided, so nobody was contacted.`;
  const details = { withdrawn_by: actor.name, reason };
  const withdrawn = await em.transactional(async (inner) => {
    const ended = await withdrawDispatch(inner, known, { error: "withdrawn", summary, details });
    const deed = { subject: `target:${known.target}`, detail: { requestId, capability: known.capability, reason } };
    if (ended) await recordAudit(inner, ctx, { operation: "withdrawLiveAction", ...deed });
    return ended;
  });
  if (!withdrawn) throw notWaiting(await em.findOneOrFail(LiveActionDispatch, where, unshared));
  news.tellTenant(tenantId);
  return withdrawn;
}

function notWaiting({ state, status, error, rollbackOfId }: LiveActionDispatch): StateFailure {
  const late = "Only what waits for people can be withdrawn";
  if (state !== "COMPLETED") return new StateFailure("live_action_running", `${late}; the vendor is being called.`);
  const how = status === "FAILED" ? `FAILED (${error})` : `${status}`;
  const undo =
    status === "SUCCEEDED" && rollbackOfId == null ? " rollbackLiveAction undoes it where its vendor can." : "";
  return new StateFailure("live_action_ended", `${late}; this has ended: ${how}.${undo}`);
}
