import DataLoader from "dataloader";
import { ActionNode, ActionVersionNode } from "../actions/graphql.ts";
import { ApprovalNode } from "../approvals/graphql.ts";
import { isUuid } from "../core/ids.ts";
import { builder, type Context } from "../graphql/builder.ts";
import { StepTypeEnum } from "../playbooks/graphql-graph.ts";
import type { Plan } from "../playbooks/plan.ts";
import { actionPlan } from "./action-plan.ts";
import type { Run } from "./entities.ts";
import { findRun } from "./find-run.ts";
import { type RunState, unstarted } from "./fold.ts";
import { dateOf, dueDescription, ExecutionErrorObject, StepStatusEnum } from "./graphql-events.ts";
import { readStates } from "./read-events.ts";
import { type RunStep, stepOf } from "./run-steps.ts";

export const RunStepNode = builder.objectRef<RunStep>("RunStep");

builder.node(RunStepNode, {
  description: "A step of a run, as its events tell.",
  id: { resolve: ({ runId, stepId }) => `${runId}:${stepId}`, description: "Opaque." },
  authScopes: { permission: "run:read" },
  loadOne: (id, context) => loadStep(id, context),
  fields: (t) => ({
    stepId: t.exposeString("stepId", { description: "The step's id in its playbook." }),
    name: t.exposeString("name", { description: "What people call it." }),
    type: t.field({ type: StepTypeEnum, description: "What it does.", resolve: ({ type }) => type }),
    status: t.field({ type: StepStatusEnum, description: "Where it stands.", resolve: ({ status }) => status }),
    attempt: t.exposeInt("attempt", { description: "Of the latest try, from 1; 0 before the first." }),
    startedAt: t.field({
      type: "DateTime",
      nullable: true,
      description: "When the latest attempt began.",
      resolve: ({ startedAt }) => dateOf(startedAt),
    }),
    finishedAt: t.field({
      type: "DateTime",
      nullable: true,
      description: "When the latest attempt ended; null until then.",
      resolve: ({ finishedAt }) => dateOf(finishedAt),
    }),
    dueAt: t.field({
      type: "DateTime",
      nullable: true,
      description: dueDescription,
      resolve: ({ dueAt }) => dateOf(dueAt),
    }),
    durationMs: t.float({
      nullable: true,
      description: "From its start to its end, in milliseconds; null until then.",
      resolve: ({ startedAt, finishedAt }) =>
        startedAt === undefined || finishedAt === undefined ? null : finishedAt - startedAt,
    }),
    input: t.field({
      type: "JSON",
      nullable: true,
      description: "The arguments of the action; secrets are shown as `***`.",
      resolve: ({ input }) => input,
    }),
    output: t.field({
      type: "JSON",
      nullable: true,
      description: "Its result, the mapped variables laid over it: what `steps.<id>.output` finds.",
      resolve: ({ output }) => output,
    }),
    error: t.field({
      type: ExecutionErrorObject,
      nullable: true,
      description: "Why the latest attempt did not succeed.",
      resolve: ({ error }) => error,
    }),
    warnings: t.stringList({
      description: "What was odd but went on: a template that found nothing, a comparison that could not be made.",
      resolve: ({ warnings }) => [...warnings],
    }),
    actionVersion: t.field({
      type: ActionVersionNode,
      nullable: true,
      description: "The exact version that ran.",
      resolve: ({ actionVersionId }) => actionVersionId,
    }),
    approval: t.field({
      type: ApprovalNode,
      nullable: true,
      description: "The request for approval that it waits or waited for.",
      resolve: ({ approvalId }) => approvalId,
    }),
  }),
});

async function loadStep(id: string, context: Context): Promise<RunStep | null> {
  const [runId = "", ...rest] = id.split(":");
  const run = isUuid(runId) ? await findRun(context.operation, runId) : null;
  const step = run ? (await planOfRun(context, run)).steps.get(rest.join(":")) : undefined;
  return run && step ? stepOf(run.id, step, await stateOfRun(context, run)) : null;
}

/** The plan that a run walks. */
export async function planOfRun(context: Context, run: Run): Promise<Plan> {
  if (run.playbookVersionId != null) return context.playbooks.plan(run.tenantId, run.playbookVersionId);
  const [action, version] = await Promise.all([
    run.actionId == null ? null : ActionNode.getDataloader(context).load(run.actionId),
    run.actionVersionId == null ? null : ActionVersionNode.getDataloader(context).load(run.actionVersionId),
  ]);
  if (!action || !version) throw new Error(`Run ${run.id} names nothing to run.`);
  return actionPlan({ actionId: action.id, name: action.name, version: version.version });
}

const stateLoaders = new WeakMap<Context, DataLoader<string, RunState>>();

/** The state of a run of the caller's tenant as of now; one statement for all runs that are asked for at once. */
export function stateOfRun(context: Context, { id }: Run): Promise<RunState> {
  const { em, tenantId } = context.operation;
  const loader =
    stateLoaders.get(context) ??
    new DataLoader<string, RunState>(
      async (runIds) => {
        const states = await readStates(em, { tenantId, runIds });
        return runIds.map((runId) => states.get(runId) ?? unstarted);
      },
      // A later field of the same document asks for what is true by then.
      { cache: false },
    );
  stateLoaders.set(context, loader);
  return loader.load(id);
}
