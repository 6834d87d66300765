import { isTerminal, type RunEvent } from "../../../src/runs/events.ts";
import { stepsOf } from "./check-runs.ts";
import type { Decisions } from "./decisions.ts";
import type { ApprovalRecord, History, RunRecord } from "./history.ts";

/** Each request has one decision at most, which is that of the row, and its step came to what the row says. */
export function checkApprovals({ runs, approvals }: History, decisions: Decisions): string[] {
  const rows = new Map(approvals.map((approval) => [approval.id, approval]));
  const problems = approvals.flatMap((approval) => {
    const run = runs.get(approval.runId);
    const found = run ? problemOf(approval, run) : "its run is lost";
    return found === undefined ? [] : [`approval ${approval.id} of ${approval.runId}: ${found}`];
  });
  for (const [id, made] of decisions.made) {
    const { status } = rows.get(id) ?? {};
    if (made.length !== 1 || made[0] !== status)
      problems.push(`approval ${id} was answered as ${made.join(" and ")}, and is ${status}`);
  }
  for (const run of runs.values()) {
    for (const event of requestsOf(run.events)) {
      if (!rows.has(event.approval?.id ?? "")) problems.push(`${run.id} waits for a request that is not there`);
    }
  }
  return problems;
}

const outcomes = { APPROVED: "SUCCEEDED", REJECTED: "FAILED", EXPIRED: "TIMED_OUT" } as const;

function problemOf({ id, stepId, status }: ApprovalRecord, { events }: RunRecord): string | undefined {
  const request = requestsOf(events).find(({ approval }) => approval?.id === id);
  if (!request) return "its run knows nothing of it";
  const outcome = stepsOf(events, stepId).find(
    ({ sequence, ...event }) => sequence > request.sequence && isTerminal(event.status),
  );
  if (!outcome) return "its step has no outcome";
  const { decision } = (outcome.output ?? {}) as { readonly decision?: string };
  if (status === "PENDING") return "it is left PENDING";
  if (status !== "CLOSED" && decision === status.toLowerCase() && outcome.status === outcomes[status]) return undefined;
  // The step was ended otherwise, before it heard of the decision, if there was one.
  if (decision === undefined && outcome.status === "CANCELLED" && wasStopped(events, outcome.sequence))
    return undefined;
  return `it is ${status}, and its step ${outcome.status} with ${decision ?? "no decision"}`;
}

function wasStopped(events: readonly RunEvent[], before: number): boolean {
  const codes = new Set(["cancel_requested", "run_timed_out", "step_timed_out"]);
  return events.some((event) => event.type === "NOTICE" && codes.has(event.code) && event.sequence < before);
}

function requestsOf(events: readonly RunEvent[]) {
  return events.filter((event) => event.type === "STEP_STATUS").filter(({ approval }) => approval !== undefined);
}
