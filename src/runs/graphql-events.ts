import { LogStreamEnum } from "../executors/graphql.ts";
import { builder } from "../graphql/builder.ts";
import { runCursor } from "./cursor.ts";
import type { LogFact, NoticeFact, RunEvent, RunStatus, RunStatusFact, StepStatus, StepStatusFact } from "./events.ts";

export const RunStatusEnum = builder.enumType("RunStatus", {
  description: "Where a run stands. SUCCEEDED, FAILED, TIMED_OUT, CANCELLED and SKIPPED are final.",
  values: {
    QUEUED: { description: "Accepted; it waits for room on a node." },
    RUNNING: { description: "Under way." },
    WAITING: { description: "Put aside until something falls due." },
    SUCCEEDED: { description: "It went through, also where failed steps were passed over." },
    FAILED: { description: "A step failed, and nothing said to go on." },
    TIMED_OUT: { description: "Its time was over." },
    CANCELLED: { description: "Somebody asked it to stop." },
    SKIPPED: { description: "The action's conditions were false." },
  } satisfies Record<RunStatus, object>,
});
export const StepStatusEnum = builder.enumType("StepStatus", {
  description: "Where a step stands.",
  values: {
    PENDING: { description: "Not begun yet." },
    RUNNING: { description: "Its executor is under way." },
    WAITING: { description: "It waits: for its next attempt, a time or a decision." },
    SUCCEEDED: { description: "It did what it was to do." },
    SIMULATED: { description: "Nothing outside was contacted." },
    FAILED: { description: "Its attempt failed; WAITING follows where another is to come." },
    TIMED_OUT: { description: "Its attempt took too long and was ended; WAITING follows where another is to come." },
    SKIPPED: { description: "Its conditions were false, or the run went another way." },
    CANCELLED: { description: "It was ended with its run." },
  } satisfies Record<StepStatus, object>,
});

export const ExecutionErrorObject = builder
  .objectRef<{ readonly code: string; readonly message: string }>("ExecutionError")
  .implement({
    description: "What ended a run, or a step's attempt, without success.",
    fields: (t) => ({
      code: t.exposeString("code", {
        description: "Stable, lower_snake where it is ours; a script may answer its own.",
      }),
      message: t.exposeString("message", { description: "What went wrong. Secrets in it are masked." }),
    }),
  });

export const RunEventInterface = builder.interfaceRef<RunEvent>("RunEvent").implement({
  description: "Something that happened in a run. It never changes.",
  resolveType: (event) => typeNames[event.type],
  fields: (t) => ({
    cursor: t.string({
      description: "Its place: what `after` takes, of the streams and of `Run.events`.",
      resolve: ({ sequence }) => runCursor(sequence),
    }),
    sequence: t.exposeInt("sequence", { description: "Counts from 1 within the run, without gaps." }),
    at: t.field({ type: "DateTime", description: "When it happened.", resolve: ({ at }) => new Date(at) }),
    runAttempt: t.exposeInt("runAttempt", { description: "The attempt of the whole run it belongs to, from 1." }),
  }),
});

const typeNames = {
  RUN_STATUS: "RunStatusEvent",
  STEP_STATUS: "StepStatusEvent",
  LOG: "LogEvent",
  NOTICE: "NoticeEvent",
} as const;

/** Of a step, and of an event that a step waits. */
export const dueDescription =
  "With WAITING: when that ends by itself, because its next attempt begins, the delay is over, or nobody has decided by then. Null where only a decision ends it.";

/** @param ms Since 1970. */
export function dateOf(ms: number | undefined): Date | null {
  return ms === undefined ? null : new Date(ms);
}

builder.objectRef<RunEvent<RunStatusFact>>("RunStatusEvent").implement({
  description: "The run took a status; a final one is its last event.",
  interfaces: [RunEventInterface],
  fields: (t) => ({
    status: t.field({ type: RunStatusEnum, description: "The status it took.", resolve: ({ status }) => status }),
    error: t.field({
      type: ExecutionErrorObject,
      nullable: true,
      description: "Why, when it did not succeed.",
      resolve: ({ error }) => error,
    }),
  }),
});

builder.objectRef<RunEvent<StepStatusFact>>("StepStatusEvent").implement({
  description: "A step took a status.",
  interfaces: [RunEventInterface],
  fields: (t) => ({
    stepId: t.exposeString("stepId", { description: "The step's id in its playbook." }),
    attempt: t.exposeInt("attempt", { description: "Of the step, from 1; with WAITING, the attempt to come." }),
    status: t.field({ type: StepStatusEnum, description: "The status it took.", resolve: ({ status }) => status }),
    dueAt: t.field({
      type: "DateTime",
      nullable: true,
      description: dueDescription,
      resolve: ({ retryAt, until, approval }) => dateOf(retryAt ?? until ?? approval?.expiresAt),
    }),
    output: t.field({
      type: "JSON",
      nullable: true,
      description: "Its result, with an outcome.",
      resolve: ({ output }) => output,
    }),
    error: t.field({
      type: ExecutionErrorObject,
      nullable: true,
      description: "Why, when it did not succeed.",
      resolve: ({ error }) => error,
    }),
  }),
});

export const LogEventObject = builder.objectRef<RunEvent<LogFact>>("LogEvent").implement({
  description: "A line that a step wrote. Secrets in it are masked.",
  interfaces: [RunEventInterface],
  fields: (t) => ({
    stepId: t.exposeString("stepId", { description: "The step that wrote it." }),
    attempt: t.exposeInt("attempt", { description: "The step's attempt, from 1." }),
    stream: t.field({ type: LogStreamEnum, description: "Where it comes from.", resolve: ({ stream }) => stream }),
    text: t.exposeString("text", { description: "The line, without its end." }),
  }),
});

builder.objectRef<RunEvent<NoticeFact>>("NoticeEvent").implement({
  description: "Something about the run that a person should know.",
  interfaces: [RunEventInterface],
  fields: (t) => ({
    stepId: t.string({ nullable: true, description: "The step it is about, if one.", resolve: ({ stepId }) => stepId }),
    code: t.exposeString("code", { description: "Stable and lower_snake." }),
    message: t.exposeString("message", { description: "For people." }),
  }),
});
