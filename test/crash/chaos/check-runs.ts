import type { RunEvent } from "../../../src/runs/events.ts";
import { problemsOfRun } from "../../runs/run-problems.ts";
import type { History, RunRecord } from "./history.ts";
import { chaosPlaybooks } from "./playbooks.ts";
import type { Starts } from "./starts.ts";
import type { Vendor } from "./vendor.ts";

const endsOf = new Map(chaosPlaybooks.map(({ key, ends }) => [key, ends]));

/** Every run that was answered for is there; every run that is there has ended once, as its playbook and its callers would have it. */
export function checkRuns({ runs }: History, starts: Starts, named: ReadonlySet<string>): string[] {
  const missing = [...starts.accepted.keys(), ...named].filter((id) => !runs.has(id)).map((id) => `${id} is lost`);
  const broken = [...runs.values()].flatMap((run) =>
    [...problemsOfRun(run.events, run), ...problemsOfEnd(run), ...problemsOfOwner(run)].map(
      (problem) => `${run.playbook} ${run.id}: ${problem}`,
    ),
  );
  const others = [...runs.values()].filter(({ id, rerunOfId }) => (rerunOfId ?? undefined) !== starts.reruns.get(id));
  // A rerun that nobody was answered for has its own key, too.
  const strange = others.filter(({ rerunOfId, id }) => starts.reruns.has(id) || !runs.has(rerunOfId ?? ""));
  const wet = [...starts.dry].filter((id) => !runs.get(id)?.dryRun).map((id) => `${id} is not dry`);
  return [
    ...missing,
    ...wet,
    ...broken,
    ...strange.map(({ id }) => `${id} is a rerun of another run than was asked for`),
  ];
}

function problemsOfOwner({ ownerId, wakeAt, sealedSecrets }: RunRecord): string[] {
  return ownerId === null && wakeAt === null && sealedSecrets === null ? [] : ["something of it is still under way"];
}

/**
 * The first thing that told a run to stop says how it ends, unless its last step had ended by then and was its end; else it ends as its
 * playbook says.
 */
function problemsOfEnd({ playbook, status, dryRun, events }: RunRecord): string[] {
  const own = dryRun ? dryEnds : (endsOf.get(playbook) ?? []);
  const told = events.find((event) => event.type === "NOTICE" && stops.has(event.code));
  const isTooLate = told && !events.some(({ type, sequence }) => type === "STEP_STATUS" && sequence > told.sequence);
  const asTold = told?.type === "NOTICE" ? [stops.get(told.code) ?? ""] : [];
  const expected = told && !isTooLate ? asTold : [...asTold, ...own];
  if (expected.includes(status)) return [];
  return [`it ended ${status} instead of ${expected.join(" or ")}${reasonsOf(events)}`];
}

/** Why its steps failed that did, in words. */
function reasonsOf(events: readonly RunEvent[]): string {
  const reasons = events.flatMap((event) => {
    const isFailure = event.type === "STEP_STATUS" && event.error !== undefined;
    return isFailure ? [`${event.stepId}.${event.attempt} ${event.error?.code} ${event.error?.message}`] : [];
  });
  return reasons.length > 0 ? ` (${reasons.join("; ")})` : "";
}

const stops: ReadonlyMap<string, string> = new Map([
  ["cancel_requested", "CANCELLED"],
  ["run_timed_out", "TIMED_OUT"],
]);
const dryEnds = ["SUCCEEDED", "FAILED"];

/** No step was called more often than it was durably started, none that had succeeded without a call, and none of a dry run at all. */
export function checkCalls({ runs }: History, vendor: Vendor): string[] {
  const problems: string[] = [];
  for (const [key, { length }] of vendor.calls) {
    const [runId = "", stepId = ""] = key.split(":");
    const run = runs.get(runId);
    const tries = stepsOf(run?.events ?? [], stepId).filter(({ status }) => status === "RUNNING");
    if (length > tries.length) problems.push(`${key} was called ${length} times and started ${tries.length} times`);
    if (run?.dryRun) problems.push(`${key} was called by a dry run`);
    if (run?.playbook === "careful" && length > 1) problems.push(`${key} was called ${length} times, and may be once`);
  }
  for (const { id, playbook, dryRun, events } of runs.values()) {
    for (const event of events) {
      const isDone = event.type === "STEP_STATUS" && event.status === "SUCCEEDED" && !event.isTakenOver && !dryRun;
      if (!isDone || !isCalled(event.output)) continue;
      if (!vendor.calls.has(`${id}:${event.stepId}`))
        problems.push(`${playbook} ${id}:${event.stepId} was never called`);
    }
  }
  return problems;
}

/** The output is what the vendor answers. */
function isCalled(output: unknown): boolean {
  const { word, fine } = (output ?? {}) as { readonly word?: unknown; readonly fine?: unknown };
  return word !== undefined || fine !== undefined;
}

type StepEvent = RunEvent & { readonly type: "STEP_STATUS" };

export function stepsOf(events: readonly RunEvent[], stepId: string): readonly StepEvent[] {
  return events.filter((event): event is StepEvent => event.type === "STEP_STATUS" && event.stepId === stepId);
}
