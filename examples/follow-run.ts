import { setTimeout as delay } from "node:timers/promises";
import { RunEventsDocument, type RunEventsSubscription } from "../client/generated/graphql.ts";
import type { Connection } from "./server-connection.ts";
import { bold, brief, dim, duration, ExampleError, green, red, say, yellow } from "./terminal.ts";

/** One event of a run. */
type Event = RunEventsSubscription["runEvents"];

/** Tries to come back after the connection was lost, half a second apart. */
const reconnectsMax = 20;

/** Every event of a run once and in order, to its end: where the connection breaks, it goes on behind the last cursor. */
export async function* eventsOf(connection: Connection, runId: string): AsyncGenerator<Event> {
  let after: string | null = null;
  for (let lost = 0; ; ) {
    try {
      for await (const { runEvents } of connection.subscribe(RunEventsDocument, { runId, after })) {
        lost = 0;
        after = runEvents.cursor;
        yield runEvents;
      }
      return;
    } catch (error) {
      lost += 1;
      if (error instanceof ExampleError) throw error;
      if (lost > reconnectsMax)
        throw new ExampleError(`The connection is lost, and ${connection.url} does not answer any more.`);
      say(yellow("  the connection is lost, trying again"));
      await delay(500);
    }
  }
}

export interface Following {
  /** Only how each step ends, and what it waits for; without beginnings and log lines. */
  readonly isBrief?: boolean;
  /** Called when a step waits, behind its line: for a decision, or for its next attempt. */
  onWaiting?(): Promise<void>;
}

/** Prints a run as it happens: steps with their status and duration, and their log lines. */
export async function followRun(
  connection: Connection,
  runId: string,
  { isBrief = false, onWaiting }: Following = {},
): Promise<void> {
  const startedAt = new Map<string, number>();
  let beganAt: number | undefined;
  for await (const event of eventsOf(connection, runId)) {
    const at = Date.parse(event.at);
    beganAt ??= at;
    const text = lineOf(event, startedAt);
    if (text !== undefined && !(isBrief && isDetail(event))) {
      say(`${dim(`+${((at - beganAt) / 1_000).toFixed(3)} s`)}  ${text}`);
    }
    if (event.__typename === "StepStatusEvent" && event.stepStatus === "WAITING") await onWaiting?.();
  }
}

function isDetail(event: Event): boolean {
  if (event.__typename === "RunStatusEvent") return event.runStatus === "RUNNING" || event.runStatus === "WAITING";
  return event.__typename === "LogEvent" || (event.__typename === "StepStatusEvent" && event.stepStatus === "RUNNING");
}

function lineOf(event: Event, startedAt: Map<string, number>): string | undefined {
  switch (event.__typename) {
    case "RunStatusEvent":
      return `${bold("run")} ${painted(event.runStatus)}${event.error ? `: ${event.error.message}` : ""}`;
    case "StepStatusEvent":
      return stepLine(event, startedAt);
    case "LogEvent":
      return dim(`  ${event.stepId} | ${event.text}`);
    case "NoticeEvent":
      return yellow(`  ${event.noticeStepId ?? "run"}: ${event.message}`);
    default:
      return undefined;
  }
}

type StepEvent = Extract<Event, { __typename: "StepStatusEvent" }>;

function stepLine(
  { stepId, attempt, stepStatus, error, output, at }: StepEvent,
  startedAt: Map<string, number>,
): string {
  const key = `${stepId}/${attempt}`;
  const start = startedAt.get(key);
  if (stepStatus === "RUNNING") startedAt.set(key, Date.parse(at));
  const took = start === undefined || stepStatus === "RUNNING" ? "" : ` in ${duration(Date.parse(at) - start)}`;
  const which = attempt > 1 ? ` (attempt ${attempt})` : "";
  const why = error ? `: ${error.code}, ${error.message}` : "";
  const result = stepStatus === "SUCCEEDED" ? dim(`  ${brief(output)}`) : "";
  return `${bold(stepId)}${which} ${painted(stepStatus)}${took}${why}${result}`;
}

/** A status in lower case and in its colour. */
export function painted(status: string): string {
  const word = status.toLowerCase();
  if (status === "SUCCEEDED") return green(word);
  return ["FAILED", "TIMED_OUT", "CANCELLED"].includes(status) ? red(word) : yellow(word);
}
