import { ApprovalNode } from "../approvals/graphql.ts";
import { builder } from "../graphql/builder.ts";
import { RunNode } from "./graphql.ts";

builder.objectFields(ApprovalNode, (t) => ({
  run: t.field({
    type: RunNode,
    nullable: true,
    description: "The run that waits or waited for it; null where it is of a live action.",
    resolve: ({ runId }) => runId,
  }),
  stepId: t.string({
    nullable: true,
    description: "The run's step that asks; null where it is of a live action.",
    resolve: ({ stepId }) => stepId,
  }),
}));
