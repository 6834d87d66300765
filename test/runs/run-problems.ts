import { isTerminal, type RunEvent } from "../../src/runs/events.ts";
import { countSteps, fold, unstarted } from "../../src/runs/fold.ts";

/** A run's row, as far as it follows from the run's events. */
export interface RunHead {
  readonly status: string;
  readonly ownerId: number | null;
  readonly wakeAt: Date | null;
  readonly finishedAt: Date | null;
  readonly attempt: number;
  readonly failed: number;
  readonly simulated: number;
  readonly errorCode: string | null;
  readonly sealedSecrets: string | null;
}

/** What no run may ever break, as problems in words; all events of an ended run are expected, by their sequence. */
export function problemsOfRun(events: readonly RunEvent[], head: RunHead | undefined): string[] {
  return [...problemsOfTrail(events), ...problemsOfHead(events, head)];
}

function problemsOfTrail(events: readonly RunEvent[]): string[] {
  const problems: string[] = [];
  if (events.some(({ sequence }, index) => sequence !== index + 1)) problems.push("a gap in the sequence");
  const last = events.at(-1);
  if (last?.type !== "RUN_STATUS" || !isTerminal(last.status)) problems.push("no terminal status at the end");
  const ends = events.filter((event) => event.type === "RUN_STATUS" && isTerminal(event.status));
  if (ends.length !== 1) problems.push(`${ends.length} terminal statuses`);
  const tries = new Map<string, string>();
  for (const event of events) {
    if (event.type !== "STEP_STATUS") continue;
    const key = `${event.runAttempt}/${event.stepId}/${event.attempt}`;
    const before = tries.get(key);
    if (before && isTerminal(before as never)) problems.push(`${key}: ${event.status} after ${before}`);
    if (before === event.status) problems.push(`${key}: ${event.status} twice`);
    tries.set(key, event.status);
  }
  return problems;
}

function problemsOfHead(events: readonly RunEvent[], head: RunHead | undefined): string[] {
  const problems: string[] = [];
  const state = events.reduce(fold, unstarted);
  for (const step of state.steps.values()) {
    if (!isTerminal(step.status)) problems.push(`step ${step.stepId} is left ${step.status}`);
  }
  const { failedStepCount: failed, simulatedStepCount: simulated } = countSteps(state);
  const told = {
    status: state.status,
    attempt: state.runAttempt,
    failed,
    simulated,
    errorCode: state.error?.code ?? null,
  };
  const stored = head && {
    ...told,
    ...Object.fromEntries(Object.keys(told).map((key) => [key, head[key as keyof RunHead]])),
  };
  if (JSON.stringify(stored) !== JSON.stringify(told))
    problems.push(`head ${JSON.stringify(stored)}, events ${JSON.stringify(told)}`);
  if (head?.finishedAt?.getTime() !== state.finishedAt) problems.push("head and events end at different times");
  return problems;
}
