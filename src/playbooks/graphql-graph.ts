import { builder } from "../graphql/builder.ts";
import type { GraphEdge, GraphNode, PlaybookGraph, stepTypes } from "./graph.ts";

export const StepTypeEnum = builder.enumType("StepType", {
  description: "What a step does.",
  values: {
    ACTION: { description: "Executes a registered action." },
    LIVE_ACTION: { description: "Dispatches a capability of a vendor on a target." },
    CONDITION: { description: "Asks an expression, and goes one of two ways." },
    PARALLEL: { description: "Runs branches at once." },
    DELAY: { description: "Waits." },
    APPROVAL: { description: "Waits for a person's decision." },
  } satisfies Record<(typeof stepTypes)[number], object>,
});

const EdgeKindEnum = builder.enumType("EdgeKind", {
  description: "Which outcome of a step takes this edge.",
  values: {
    SUCCESS: { description: "It succeeded, was simulated or was skipped." },
    FAILURE: { description: "It failed or timed out, after its retries; an approval was rejected." },
    TIMEOUT: { description: "Nobody decided in time." },
    TRUE: { description: "The expression is true." },
    FALSE: { description: "The expression is false or unknown." },
    BRANCH: { description: "From a parallel step to a branch of it." },
    JOIN: { description: "From a branch back to its parallel step." },
  },
});

const PlaybookGraphNode = builder.objectRef<GraphNode>("PlaybookGraphNode").implement({
  description: "A step.",
  fields: (t) => ({
    stepId: t.exposeString("stepId", { description: "The step's id in its playbook." }),
    name: t.exposeString("name", { description: "What people call it." }),
    type: t.field({ type: StepTypeEnum, description: "What it does.", resolve: ({ type }) => type }),
  }),
});

const PlaybookGraphEdge = builder.objectRef<GraphEdge>("PlaybookGraphEdge").implement({
  description: "A way out of a step.",
  fields: (t) => ({
    from: t.exposeString("from", { description: "The id of the step it leaves." }),
    to: t.exposeString("to", {
      nullable: true,
      description: "The id of the step it leads to; null where it ends the run.",
    }),
    on: t.field({ type: EdgeKindEnum, description: "Which outcome takes it.", resolve: ({ on }) => on }),
    implicit: t.exposeBoolean("isImplicit", { description: "Whether a default made it, and not the author." }),
  }),
});

export const PlaybookGraphObject = builder.objectRef<PlaybookGraph>("PlaybookGraph").implement({
  description: "The picture of a playbook: its steps, and every way between them with all defaults applied.",
  fields: (t) => ({
    nodes: t.field({
      type: [PlaybookGraphNode],
      description: "The steps, in the document's order; branches stand behind their parallel step.",
      resolve: ({ nodes }) => [...nodes],
    }),
    edges: t.field({
      type: [PlaybookGraphEdge],
      description: "Every way out of every step, those that end the run included; those to branches and back.",
      resolve: ({ edges }) => [...edges],
    }),
  }),
});
