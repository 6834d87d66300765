import { recordAudit } from "../audit/record-audit.ts";
import { NotFoundFailure, StateFailure } from "../core/failures.ts";
import { checkReason } from "../core/reason.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import type { Engine } from "./engine.ts";
import type { Run } from "./entities.ts";
import { isTerminal } from "./events.ts";
import { findRun } from "./find-run.ts";
import { signalRun, wakeRun } from "./signal-run.ts";

export interface CancelRunInput {
  readonly id: string;
  readonly reason?: string | null | undefined;
}

/**
 * Asks a run to stop, on whichever node it is: what is under way is ended and awaited, then the run is CANCELLED.
 * @returns The run as it is now; its stream tells when it has ended.
 * @throws NotFoundFailure; StateFailure `run_ended` when there is nothing left to stop; ValidationFailure.
 */
export async function cancelRun(
  ctx: OperationContext,
  { engine }: { readonly engine: Pick<Engine, "hint"> },
  { id, reason }: CancelRunInput,
): Promise<Run> {
  checkReason(reason);
  const run = await findRun(ctx, id);
  if (!run) throw new NotFoundFailure("There is no such run.");
  if (isTerminal(run.status)) throw new StateFailure("run_ended", `The run has ended already: ${run.status}.`);
  const body = { by: ctx.actor.name, ...(reason == null ? {} : { reason }) };
  const signal = { tenantId: ctx.tenantId, runId: run.id, type: "CANCEL", body } as const;
  await ctx.em.transactional(async (em) => {
    const deed = { operation: "cancelRun", subject: `run:${run.id}`, detail: { reason: reason ?? null } };
    await recordAudit(em, ctx, deed);
    await signalRun(em, signal);
  });
  await wakeRun(ctx.em, engine, run.id);
  return (await findRun(ctx, id)) ?? run;
}
