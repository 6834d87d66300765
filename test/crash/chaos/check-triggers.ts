import { isTerminal } from "../../../src/runs/events.ts";
import { stepsOf } from "./check-runs.ts";
import type { History, RunRecord, TriggerRecord } from "./history.ts";
import type { Triggers } from "./triggers.ts";

/** Each event, tick and completion is there once, and has started each playbook that it triggers once. */
export function checkTriggers(history: History, { emitted, ticks }: Triggers): string[] {
  const ofType = (type: string) =>
    new Map(history.triggers.filter((each) => each.type === type).map((each) => [each.key, each]));
  const started = Map.groupBy(
    [...history.runs.values()].filter(({ eventId, rerunOfId }) => eventId !== null && rerunOfId === null),
    ({ eventId }) => eventId as string,
  );
  const problems = history.triggers
    .filter(({ isDispatched }) => !isDispatched)
    .map(({ key }) => `${key} is undispatched`);
  const findings = ofType("finding.new");
  for (const [key, severity] of emitted) {
    const playbooks = severity === "critical" ? ["finding", "grave-finding"] : ["finding"];
    problems.push(...problemsOf(key, findings.get(key), { started, playbooks }));
  }
  const tickEvents = [...ofType("schedule").values()];
  const due = new Set(tickEvents.map(({ key }) => Date.parse(key.split(" ")[1] ?? "")));
  problems.push(...ticks.filter((at) => !due.has(at)).map((at) => `the tick of ${new Date(at).toISOString()} is lost`));
  if (tickEvents.length !== ticks.length) problems.push(`${tickEvents.length} ticks instead of ${ticks.length}`);
  for (const event of tickEvents) problems.push(...problemsOf(event.key, event, { started, playbooks: ["tick"] }));
  const completions = ofType("action.completed");
  const keys = completionKeys(history);
  for (const key of keys) problems.push(...problemsOf(key, completions.get(key), { started, playbooks: ["told"] }));
  problems.push(...[...completions.keys()].filter((key) => !keys.has(key)).map((key) => `${key} completed nothing`));
  return problems;
}

interface Expected {
  readonly started: ReadonlyMap<string, readonly RunRecord[]>;
  readonly playbooks: readonly string[];
}

function problemsOf(key: string, event: TriggerRecord | undefined, { started, playbooks }: Expected): string[] {
  if (!event) return [`event ${key} is lost`];
  const names = (started.get(event.id) ?? []).map(({ playbook }) => playbook).toSorted();
  if (names.join() === playbooks.join()) return [];
  return [`event ${key} started ${names.join() || "nothing"} instead of ${playbooks.join()}`];
}

/** Of each step `tell` that came to an end of its own in production. */
function completionKeys({ runs }: History): ReadonlySet<string> {
  const keys = [...runs.values()].flatMap(({ id, dryRun, events }) =>
    stepsOf(dryRun ? [] : events, "tell")
      .filter(({ status, isTakenOver }) => isTerminal(status) && status !== "CANCELLED" && !isTakenOver)
      .map(({ runAttempt, attempt }) => `${id} ${runAttempt} tell ${attempt}`),
  );
  return new Set(keys);
}
