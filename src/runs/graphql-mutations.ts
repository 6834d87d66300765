import type { ActionCatalogue } from "../actions/action-catalogue.ts";
import { ConflictFailure, NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { localId } from "../core/global-id.ts";
import { builder } from "../graphql/builder.ts";
import type { PlaybookCatalogue } from "../playbooks/playbook-catalogue.ts";
import type { Sealer } from "../secrets/seal.ts";
import { cancelRun } from "./cancel-run.ts";
import type { Engine } from "./engine.ts";
import type { Run } from "./entities.ts";
import { executeAction, type InputPorts } from "./execute-action.ts";
import { executePlaybook } from "./execute-playbook.ts";
import { RunNode } from "./graphql.ts";
import { rerunFromFailure } from "./rerun-from-failure.ts";

declare module "../graphql/builder.ts" {
  interface Context {
    readonly engine: Engine;
    readonly sealer: Sealer;
    readonly catalogue: ActionCatalogue;
    readonly playbooks: PlaybookCatalogue;
    readonly readSecrets: InputPorts["readSecrets"];
    readonly variables: InputPorts["variables"];
    readonly sandboxRefusal: InputPorts["sandboxRefusal"];
  }
}

interface RunPayload {
  readonly run: Run;
}

function payload(name: string, description: string) {
  return builder.objectRef<RunPayload>(name).implement({
    description,
    fields: (t) => ({ run: t.field({ type: RunNode, description: "The run.", resolve: ({ run }) => run }) }),
  });
}

const ExecuteActionInput = builder.inputType("ExecuteActionInput", {
  description: "Which action to execute by itself, and with what.",
  fields: (t) => ({
    ref: t.field({ type: "ActionRef", required: true, description: "The action, or a version of it." }),
    parameters: t.field({
      type: "JSON",
      description:
        "Its arguments by name, as JSON: nothing is coerced. Secrets are kept encrypted until the run has ended.",
    }),
    context: t.field({ type: "JSON", description: "`{finding, asset, …}` for its mappings and conditions." }),
    sandbox: t.boolean({
      description:
        "Touch nothing outside: a request is recorded and not sent, a script runs isolated and without network, the credential store is not read. A disabled action may.",
    }),
    idempotencyKey: t.string({
      description: "The same key with the same input answers the first run instead of starting another.",
    }),
  }),
});

builder.mutationField("executeAction", (t) =>
  t.field({
    type: payload("ExecuteActionPayload", "An accepted run of one action."),
    description: "Executes one action. The run is durable when this answers; subscribe to runEvents to follow it.",
    authScopes: { permission: "run:execute" },
    errors: { types: [ValidationFailure, ConflictFailure, NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: ExecuteActionInput, required: true, description: "What to execute." }) },
    resolve: async (_root, { input }, context) => ({
      run: await executeAction(context.operation, context, input),
    }),
  }),
);

const ExecutePlaybookInput = builder.inputType("ExecutePlaybookInput", {
  description: "Which playbook to execute, and for what.",
  fields: (t) => ({
    key: t.string({ required: true, description: "The playbook's key." }),
    version: t.string({ description: "MAJOR.MINOR.PATCH; the active version when left out." }),
    context: t.field({ type: "JSON", description: "`{finding, asset, …}`: what its templates and conditions read." }),
    dryRun: t.boolean({
      description:
        "Walk it without touching anything: every executor is answered by a simulation that shows what would be sent, approvals are answered approved, delays are not waited for. Works for a disabled playbook, too.",
    }),
    idempotencyKey: t.string({
      description: "The same key with the same input answers the first run instead of starting another.",
    }),
  }),
});

builder.mutationField("executePlaybook", (t) =>
  t.field({
    type: payload("ExecutePlaybookPayload", "An accepted run of a playbook."),
    description: "Executes a playbook. The run is durable when this answers; subscribe to runEvents to follow it.",
    authScopes: { permission: "run:execute" },
    errors: { types: [ValidationFailure, ConflictFailure, NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: ExecutePlaybookInput, required: true, description: "What to execute." }) },
    resolve: async (_root, { input }, context) => ({ run: await executePlaybook(context.operation, context, input) }),
  }),
);

const CancelRunInput = builder.inputType("CancelRunInput", {
  description: "Which run to stop.",
  fields: (t) => ({
    id: t.id({ required: true, description: "The run's opaque id." }),
    reason: t.string({ description: "Why, for whoever reads the run." }),
  }),
});

builder.mutationField("cancelRun", (t) =>
  t.field({
    type: payload("CancelRunPayload", "A run that was asked to stop."),
    description: "Asks a run to stop: what is under way is ended and awaited, then the run is CANCELLED.",
    authScopes: { permission: "run:execute" },
    errors: { types: [ValidationFailure, NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: CancelRunInput, required: true, description: "Which run, and why." }) },
    resolve: async (_root, { input: { id, reason } }, context) => ({
      run: await cancelRun(context.operation, context, { id: localId("Run", id) ?? "", reason }),
    }),
  }),
);

const RerunFromFailureInput = builder.inputType("RerunFromFailureInput", {
  description: "Which run to take up again.",
  fields: (t) => ({
    id: t.id({ required: true, description: "Opaque id of a run that ended failed, timed out or cancelled." }),
    idempotencyKey: t.string({
      description: "The same key for the same run answers the first rerun instead of starting another.",
    }),
  }),
});

builder.mutationField("rerunFromFailure", (t) =>
  t.field({
    type: payload("RerunFromFailurePayload", "A run that takes over what had succeeded in another."),
    description:
      "Runs a playbook again from the step that failed: a new run of the same version with the same context, which takes over the steps that had succeeded. Approvals are asked for again. An action executed by itself is executed again.",
    authScopes: { permission: "run:execute" },
    errors: { types: [ValidationFailure, ConflictFailure, NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: RerunFromFailureInput, required: true, description: "Which run." }) },
    resolve: async (_root, { input: { id, idempotencyKey } }, context) => ({
      run: await rerunFromFailure(context.operation, context, { id: localId("Run", id) ?? "", idempotencyKey }),
    }),
  }),
);
