import type { ResolvedAction } from "../actions/action-catalogue.ts";
import { mapOutput } from "../actions/map-output.ts";
import type { Prepared } from "../actions/prepare-invocation.ts";
import { limits } from "../core/limits.ts";
import type { Attempt, Outcome } from "../executors/executor.ts";
import type { PlanActionStep } from "../playbooks/plan.ts";
import { createMask } from "../secrets/mask.ts";
import { agentTaskKey } from "./agent-task.ts";
import { secretsToMask } from "./known-secrets.ts";
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
  const secrets = secretsToMask(start.run, prepared.secrets);
  try {
    const call = await wholeCall(ports, { start, step, action, prepared }, conversation.signal);
    const { commands, ...outcome } = await ports.execute({
      call,
      idempotencyKey: idempotencyKeyOf(start),
      timeoutMs: Math.min(prepared.timeoutMs, step.timeoutMs ?? Number.POSITIVE_INFINITY),
      secrets,
      ...(start.run.sandbox ? { sandbox: true as const } : {}),
      ...conversation,
    });
    const deeds = commands === undefined ? {} : { deeds: storableDeeds(executedDeeds(commands)) };
    if (outcome.status !== "SUCCEEDED") return { ...outcome, ...deeds, ...finality(call, outcome) };
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

/** The call with what only the package and the run know. */
async function wholeCall(
  ports: StepPorts,
  { start, step, action, prepared: { call } }: Ready,
  signal: AbortSignal,
): Promise<Attempt["call"]> {
  switch (call.type) {
    case "remote":
      return call;
    case "local":
      return { ...call, files: await readFiles(ports, action, signal) };
    case "opservant": {
      // A package of several files names its entry: that was checked when it was registered.
      const entry = call.entry ?? (await readFiles(ports, action, signal))[0]?.path ?? "";
      const { name, version, versionId } = action;
      const isRepeatable = onInterruptOf({ step, action }) !== "fail";
      return { ...call, entry, action: { name, version, versionId }, task: agentTaskKey(start), isRepeatable };
    }
    default:
      return call satisfies never;
  }
}

/** Of what an agent began and nobody knows the end: a person has to look before it is tried again. */
function finality({ type }: Attempt["call"], outcome: Outcome): { isFinal?: true } {
  const isUnknown = type === "opservant" && outcome.status === "FAILED" && outcome.error.code === "effect_unknown";
  return isUnknown ? { isFinal: true } : {};
}

/** The step's own rule, or the action's. */
export function onInterruptOf({ step, action }: Pick<Ready, "step" | "action">): "retry" | "fail" | undefined {
  return step.onInterrupt ?? action.definition.on_interrupt;
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
