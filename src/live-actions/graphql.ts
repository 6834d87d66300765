import { ApprovalNode } from "../approvals/graphql.ts";
import { builder } from "../graphql/builder.ts";

interface Dispatch {
  readonly id: string;
  readonly requestId: string;
  readonly capability: string;
  readonly vendorId: string | null;
  readonly target: string;
}

/** A live action that was asked for. None can be yet; the type is here so that documents written for it are valid. */
const LiveActionDispatch = builder.objectRef<Dispatch>("LiveActionDispatch").implement({
  description: "One capability invoked at once on a target, outside a playbook. Not built yet: there are none.",
  fields: (t) => ({
    id: t.exposeID("id", { description: "Opaque." }),
    requestId: t.exposeString("requestId", { description: "What its caller knows it by." }),
    capability: t.exposeString("capability", { description: "The vendor-neutral verb, such as isolate_host." }),
    vendorId: t.exposeString("vendorId", {
      nullable: true,
      description: "Whose product does it; null: none was chosen.",
    }),
    target: t.exposeString("target", { description: "What it is done to." }),
  }),
});

builder.objectField(ApprovalNode, "dispatch", (t) =>
  t.field({
    type: LiveActionDispatch,
    nullable: true,
    description: "The live action that waits or waited for it; null where it is of a run.",
    resolve: () => null,
  }),
);
