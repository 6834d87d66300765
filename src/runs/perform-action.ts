import type { ResolvedAction } from "../actions/action-catalogue.ts";
import { mapOutput } from "../actions/map-output.ts";
import type { Prepared } from "../actions/prepare-invocation.ts";
import { limits } from "../core/limits.ts";
import type { PlanActionStep } from "../playbooks/plan.ts";
import { createMask } from "../secrets/mask.ts";
import { executedDeeds, storableDeeds } from "./sandbox.ts";
import type { Conversation, StepOutcome, StepPorts, StepStart } from "./step-ports.ts";

/** An action whose inputs are known. */
export interface Ready {
  readonly start: StepStart;
  readonly step: PlanActionStep;
  readonly action: ResolvedAction;
  readonly prepared: Extract<Prepared, { kind: "ready" }>;
}

/** The same for every attempt of the step. */
export function idempotencyKeyOf({ run, stepId }: Pick<StepStart, "run" | "stepId">): string {
  return `${run.id}:${stepId}`;
}

/** Calls the executor, and answers its outcome as it is, however large. Never rejects. */
export async function performAction(
  ports: StepPorts,
  { start, step, action, prepared }: Ready,
  conversation: Conversation,
): Promise<StepOutcome> {
  const { secrets } = prepared;
  try {
    const call =
      prepared.call.type === "local"
        ? { ...prepared.call, files: await readFiles(ports, action, conversation.signal) }
        : prepared.call;
    const { commands, ...outcome } = await ports.execute({
      call,
      idempotencyKey: idempotencyKeyOf(start),
      timeoutMs: Math.min(prepared.timeoutMs, step.timeoutMs ?? Number.POSITIVE_INFINITY),
      secrets,
      ...(start.run.sandbox ? { sandbox: true as const } : {}),
      ...conversation,
    });
    const deeds = commands === undefined ? {} : { deeds: storableDeeds(executedDeeds(commands)) };
    if (outcome.status !== "SUCCEEDED") return { ...outcome, ...deeds };
    return { ...outcome, ...deeds, output: mapOutput(action.definition, outcome.output) };
  } catch (error) {
    // A bug of ours, or a database that was away: what happened is for our log, not for the run's readers.
    const reason = createMask(secrets).text(error instanceof Error ? (error.stack ?? error.message) : String(error));
    ports.log.error({ runId: start.run.id, step: start.stepId, reason }, "step.broke");
    return {
      status: "FAILED",
      error: { code: "internal_error", message: "The executor broke; the server's log says why." },
    };
  }
}

// A database that is away is not the step's fault: it waits, as long as the run is ours.
async function readFiles(ports: StepPorts, { versionId }: ResolvedAction, signal: AbortSignal) {
  for (;;) {
    try {
      return await ports.actions.files(versionId);
    } catch (error) {
      if (signal.aborted) throw error;
      ports.log.warn({ versionId, message: String(error) }, "step.files_unavailable");
      await new Promise((resolve) => setTimeout(resolve, limits.prepareRetryMs));
    }
  }
}
