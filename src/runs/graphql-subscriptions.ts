import { abortable } from "../core/abortable.ts";
import { BadInputError, NotFoundFailure } from "../core/failures.ts";
import { localId } from "../core/global-id.ts";
import { limits } from "../core/limits.ts";
import { tenantCursor, xidOf } from "../core/stream-cursor.ts";
import { builder, type Context } from "../graphql/builder.ts";
import { runCursor, sequenceOf } from "./cursor.ts";
import type { Run } from "./entities.ts";
import type { LogFact, RunEvent } from "./events.ts";
import { findRun } from "./find-run.ts";
import { fold, type RunState, unstarted } from "./fold.ts";
import { RunNode } from "./graphql.ts";
import { LogEventObject, RunEventInterface } from "./graphql-events.ts";
import { RunFilterInput, resolveFilter } from "./graphql-queries.ts";
import { planOfRun, RunStepNode } from "./graphql-steps.ts";
import type { Hub } from "./hub.ts";
import { readEvents } from "./read-events.ts";
import { type RunStep, stepOf } from "./run-steps.ts";
import { streamRun } from "./run-stream.ts";
import { type RunUpdate, streamRunUpdates } from "./run-updates.ts";

declare module "../graphql/builder.ts" {
  interface Context {
    readonly hub: Hub;
  }
}

interface RunStreamArguments {
  readonly runId: string;
  readonly after?: string | null | undefined;
}

async function openRun(context: Context, { runId, after }: RunStreamArguments): Promise<{ run: Run; after: number }> {
  const sequence = sequenceOf(context.lastEventId ?? after);
  const run = await findRun(context.operation, localId("Run", runId) ?? "");
  if (!run) throw new NotFoundFailure("There is no such run.");
  // It would wait for ever for what follows it, or miss what comes before it.
  if (sequence > (run.lastSequence ?? 0))
    throw new BadInputError("This is no cursor of this run: it is past its last event.");
  return { run, after: sequence };
}

function eventsOf(context: Context, run: Run, after: number, signal: AbortSignal): AsyncGenerator<RunEvent> {
  const { em, tenantId } = context.operation;
  const read = (from: number) =>
    readEvents(em.fork(), { tenantId, runId: run.id, after: from, limit: limits.streamPageMax });
  return streamRun({ hub: context.hub, read, signal }, run.id, after);
}

/** Which run is followed, and from where. */
const runStreamArgs = builder.args((t) => ({
  runId: t.id({ required: true, description: "The run's opaque id." }),
  after: t.string({ description: "A cursor of this run: go on past it." }),
}));

builder.subscriptionField("runEvents", (t) =>
  t.field({
    type: RunEventInterface,
    description:
      "Everything that happens in one run, once and in order, from the beginning or past `after`; completes when the run has ended.",
    authScopes: { permission: "run:read" },
    args: runStreamArgs,
    subscribe: async (_root, args, context) => {
      const { run, after } = await openRun(context, args);
      return abortable((signal) => eventsOf(context, run, after, signal));
    },
    resolve: (event) => event as RunEvent,
  }),
);

builder.subscriptionField("runLogs", (t) =>
  t.field({
    type: LogEventObject,
    description:
      "The log lines of one run, or of one of its steps, once and in order; completes when the run has ended.",
    authScopes: { permission: "run:read" },
    args: { ...runStreamArgs, stepId: t.arg.string({ description: "Only the lines of this step." }) },
    subscribe: async (_root, { stepId, ...args }, context) => {
      const { run, after } = await openRun(context, args);
      return abortable(async function* logLines(signal) {
        for await (const event of eventsOf(context, run, after, signal)) {
          if (event.type === "LOG" && (stepId == null || event.stepId === stepId)) yield event;
        }
      });
    },
    resolve: (event) => event as RunEvent<LogFact>,
  }),
);

interface StepUpdate {
  readonly sequence: number;
  readonly step: RunStep;
}

const StepUpdateObject = builder.objectRef<StepUpdate>("StepUpdate").implement({
  description: "A step of a run, as one of its events left it.",
  fields: (t) => ({
    cursor: t.string({ description: "Its place: what `after` takes.", resolve: ({ sequence }) => runCursor(sequence) }),
    step: t.field({ type: RunStepNode, description: "The step as it was then.", resolve: ({ step }) => step }),
  }),
});

builder.subscriptionField("stepUpdates", (t) =>
  t.field({
    type: StepUpdateObject,
    description: "The steps of one run, each time one changes, once and in order; completes when the run has ended.",
    authScopes: { permission: "run:read" },
    args: runStreamArgs,
    subscribe: async (_root, args, context) => {
      const { run, after } = await openRun(context, args);
      const plan = await planOfRun(context, run);
      return abortable(async function* steps(signal): AsyncGenerator<StepUpdate> {
        // Folded from the beginning, since a step is more than its last event; told only past the cursor.
        let state: RunState = unstarted;
        for await (const event of eventsOf(context, run, 0, signal)) {
          state = fold(state, event);
          const stepId = event.type === "LOG" || event.type === "RUN_STATUS" ? undefined : event.stepId;
          const step = stepId === undefined ? undefined : plan.steps.get(stepId);
          if (step && event.sequence > after) yield { sequence: event.sequence, step: stepOf(run.id, step, state) };
        }
      });
    },
    resolve: (update) => update as StepUpdate,
  }),
);

const RunUpdateObject = builder.objectRef<RunUpdate>("RunUpdate").implement({
  description: "The latest state of a run that changed.",
  fields: (t) => ({
    cursor: t.string({
      description: "What `after` takes to go on from here.",
      resolve: ({ xid }) => tenantCursor(xid),
    }),
    matches: t.exposeBoolean("matches", {
      description: "False when the run is outside the filter now: take it off the list.",
    }),
    run: t.field({ type: RunNode, description: "The run as it is now.", resolve: ({ run }) => run }),
  }),
});

builder.subscriptionField("runUpdates", (t) =>
  t.field({
    type: RunUpdateObject,
    description:
      "Runs of the tenant, each time one changes its status, at least once, latest state only. With `after`, everything that changed since; without, from now on.",
    authScopes: { permission: "run:read" },
    args: {
      filter: t.arg({ type: RunFilterInput, description: "Which runs." }),
      after: t.arg.string({ description: "A cursor of this stream: everything that changed since." }),
    },
    subscribe: async (_root, { filter, after }, context) => {
      const { em, tenantId } = context.operation;
      const subscription = {
        tenantId,
        filter: await resolveFilter(context, filter),
        after: xidOf(context.lastEventId ?? after),
      };
      return abortable((signal) => streamRunUpdates({ news: context.hub, em: () => em.fork(), signal }, subscription));
    },
    resolve: (update) => update as RunUpdate,
  }),
);
