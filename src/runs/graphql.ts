import type { EntityManager } from "@mikro-orm/postgresql";
import { ActionNode } from "../actions/graphql.ts";
import { isUuid } from "../core/ids.ts";
import { newestFirst, resolvePage } from "../core/keyset-page.ts";
import { builder, type Context } from "../graphql/builder.ts";
import { PlaybookNode, PlaybookVersionNode } from "../playbooks/graphql.ts";
import { ActorObject } from "../tenancy/graphql-actor.ts";
import { runCursor, sequenceOf } from "./cursor.ts";
import { Run } from "./entities.ts";
import type { RunEvent } from "./events.ts";
import { asShown, findRun } from "./find-run.ts";
import { ExecutionErrorObject, RunEventInterface, RunStatusEnum } from "./graphql-events.ts";
import { reportOf, SandboxReport } from "./graphql-sandbox-report.ts";
import { planOfRun, RunStepNode, stateOfRun } from "./graphql-steps.ts";
import { countEvents, readEvents } from "./read-events.ts";
import { type RunFilter, whereOf } from "./run-filter.ts";
import { stepsOf } from "./run-steps.ts";

export const RunKindEnum = builder.enumType("RunKind", {
  description: "What a run executes.",
  values: {
    ACTION: { description: "One action by itself." },
    PLAYBOOK: { description: "A playbook." },
  } satisfies Record<Run["kind"], object>,
});

export const RunNode = builder.loadableNode(Run, {
  name: "Run",
  description: "One execution of a playbook's version, or of one action.",
  id: { resolve: (run) => run.id, description: "Opaque." },
  authScopes: { permission: "run:read" },
  load: (ids: string[], { operation: { em, tenantId } }) =>
    em.find(Run, { id: { $in: ids.filter(isUuid) }, tenantId }, asShown),
  sort: (run) => run.id,
  fields: (t) => ({
    kind: t.field({ type: RunKindEnum, description: "What it executes.", resolve: ({ kind }) => kind }),
    status: t.field({ type: RunStatusEnum, description: "Where it stands.", resolve: ({ status }) => status }),
    sandbox: t.exposeBoolean("sandbox", { description: "Whether it touches nothing outside." }),
    dryRun: t.exposeBoolean("dryRun", { description: "Whether every executor is answered by a simulation." }),
    context: t.field({
      type: "JSON",
      nullable: true,
      description: "What it was started with: `{finding, asset, …}`.",
      resolve: ({ context }) => context,
    }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was accepted: durable from then on." }),
    startedAt: t.expose("startedAt", {
      type: "DateTime",
      nullable: true,
      description: "When it began; null while queued.",
    }),
    finishedAt: t.expose("finishedAt", {
      type: "DateTime",
      nullable: true,
      description: "When it ended; null until then.",
    }),
    durationMs: t.float({
      nullable: true,
      description: "From its start to its end, in milliseconds; null until then.",
      resolve: ({ startedAt, finishedAt }) =>
        startedAt && finishedAt ? finishedAt.getTime() - startedAt.getTime() : null,
    }),
    failedStepCount: t.exposeInt("failedStepCount", {
      description: "Steps that failed or timed out, also where it went on.",
    }),
    simulatedStepCount: t.exposeInt("simulatedStepCount", { description: "Steps that contacted nobody." }),
    attempt: t.exposeInt("attempt", { description: "Of the whole run, from 1." }),
    lastCursor: t.string({
      nullable: true,
      description: "Place of its last event: a subscription with `after` this goes on from exactly this answer.",
      resolve: ({ lastSequence }) => (lastSequence == null ? null : runCursor(lastSequence)),
    }),
    startedBy: t.field({
      type: ActorObject,
      description: "Who started it.",
      resolve: ({ startedByKind, startedByName }) => ({ kind: startedByKind, name: startedByName }),
    }),
    error: t.field({
      type: ExecutionErrorObject,
      nullable: true,
      description: "Why, when it did not succeed.",
      resolve: ({ errorCode, errorMessage }) =>
        errorCode == null ? null : { code: errorCode, message: errorMessage ?? "" },
    }),
  }),
});

builder.objectFields(RunNode, (t) => ({
  playbookVersion: t.field({
    type: PlaybookVersionNode,
    nullable: true,
    description: "The exact version it walks; null for a run of one action.",
    resolve: ({ playbookVersionId }) => playbookVersionId,
  }),
  rerunOf: t.field({
    type: Run,
    nullable: true,
    description: "The run whose successes it took over.",
    resolve: ({ rerunOfId }, _args, { operation }) => (rerunOfId == null ? null : findRun(operation, rerunOfId)),
  }),
  sandboxReport: t.field({
    type: SandboxReport,
    nullable: true,
    description: "What a sandboxed run would have done; null for every other.",
    resolve: async (run, _args, context) => (run.sandbox ? reportOf(await stateOfRun(context, run)) : null),
  }),
  steps: t.field({
    type: [RunStepNode],
    description: "Every step of the plan, in its order.",
    resolve: async (run, _args, context) => {
      const [plan, state] = await Promise.all([planOfRun(context, run), stateOfRun(context, run)]);
      return [...stepsOf(run.id, plan, state)];
    },
  }),
}));

const RunEdge = builder.edgeObject({ type: RunNode, name: "RunEdge", description: "A run in a page." });
export const RunConnection = builder.connectionObject(
  { type: RunNode, name: "RunConnection", description: "A page of runs." },
  RunEdge,
);

const RunEventEdge = builder.edgeObject({
  type: RunEventInterface,
  name: "RunEventEdge",
  description: "An event in a page.",
});
const RunEventConnection = builder.connectionObject(
  { type: RunEventInterface, name: "RunEventConnection", description: "A page of a run's events." },
  RunEventEdge,
);

builder.objectField(RunNode, "events", (t) =>
  t.connection(
    {
      type: RunEventInterface,
      description: "Everything that happened in it, in order, log lines included.",
      resolve: (run, args, { em }) => eventPage(em, run, args),
    },
    RunEventConnection,
    RunEventEdge,
  ),
);

// A cursor of this connection is a cursor of the streams, so that a client can go on from a page by subscribing.
async function eventPage(em: EntityManager, run: Run, args: Parameters<typeof resolvePage>[0]) {
  const { after, before, ...size } = args;
  const range = { tenantId: run.tenantId, runId: run.id };
  const page = await resolvePage<RunEvent>(size, {
    key: ({ sequence }) => [String(sequence)],
    keyLength: 1,
    find: ({ limit, isInverted }) =>
      readEvents(em, {
        ...range,
        limit,
        order: isInverted ? "desc" : "asc",
        ...(after == null ? {} : { after: sequenceOf(after) }),
        ...(before == null ? {} : { before: sequenceOf(before) }),
      }),
    count: () => countEvents(em, range),
  });
  const edges = page.edges.map(({ node }) => ({ node, cursor: runCursor(node.sequence) }));
  const ends = { startCursor: edges[0]?.cursor ?? null, endCursor: edges.at(-1)?.cursor ?? null };
  return { ...page, edges, pageInfo: { ...page.pageInfo, ...ends } };
}

/** Runs of the caller's tenant, newest first. */
export function runPage(
  { operation: { em, tenantId } }: Context,
  args: Parameters<typeof resolvePage>[0],
  filter: RunFilter,
) {
  const where = whereOf(tenantId, filter);
  return resolvePage<Run>(args, {
    key: ({ id }) => [id],
    keyLength: 1,
    find: (range) => {
      const { id, options } = newestFirst(range);
      return em.find(Run, { $and: [where, { id }] }, { ...asShown, ...options });
    },
    count: () => em.count(Run, where),
  });
}

builder.objectField(ActionNode, "runs", (t) =>
  t.connection(
    {
      type: RunNode,
      description: "Runs of this action by itself, newest first.",
      authScopes: { permission: "run:read" },
      resolve: (action, args, context) => runPage(context, args, { actionId: action.id }),
    },
    RunConnection,
    RunEdge,
  ),
);
builder.objectField(PlaybookNode, "runs", (t) =>
  t.connection(
    {
      type: RunNode,
      description: "Runs of this playbook, newest first.",
      authScopes: { permission: "run:read" },
      resolve: (playbook, args, context) => runPage(context, args, { playbookId: playbook.id }),
    },
    RunConnection,
    RunEdge,
  ),
);

export { RunEdge };
