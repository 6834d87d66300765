import type { ActionDefinition } from "../actions/definition.ts";
import { secretReference } from "../actions/definition.ts";
import { resolveExact } from "../actions/resolve-version.ts";
import { NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { Playbook } from "../playbooks/entities.ts";
import type { PlaybookCatalogue } from "../playbooks/playbook-catalogue.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { actionStepId } from "./action-plan.ts";
import { type Run, TriggerEvent } from "./entities.ts";
import { isTerminal } from "./events.ts";
import { type InputPorts, startAction } from "./execute-action.ts";
import { refuseDisabled } from "./execute-playbook.ts";
import { findRun } from "./find-run.ts";
import { unstarted } from "./fold.ts";
import { readStates } from "./read-events.ts";
import { acceptedKey, type Start, type StartPorts, startRun } from "./start-run.ts";
import { rerunNotice, takeOver } from "./take-over.ts";

export interface RerunFromFailureInput {
  readonly id: string;
  readonly idempotencyKey?: string | null | undefined;
}

export type RerunPorts = StartPorts & InputPorts & { readonly playbooks: PlaybookCatalogue };

/**
 * Starts a run of the same version with the same context, which takes over what had succeeded and goes on from the step that ended the
 * other. What people had approved is asked for again. A run of one action is executed again as a whole.
 * @throws NotFoundFailure; StateFailure `run_not_ended`, `nothing_failed`, `playbook_disabled`, `action_disabled`, `version_withdrawn`,
 * `parameters_gone`; ValidationFailure for the key; ConflictFailure.
 */
export async function rerunFromFailure(
  ctx: OperationContext,
  ports: RerunPorts,
  { id, idempotencyKey }: RerunFromFailureInput,
): Promise<Run> {
  const key = acceptedKey(idempotencyKey);
  const run = await findRun(ctx, id);
  if (!run) throw new NotFoundFailure("There is no such run.");
  refuseStatus(run);
  const again = {
    idempotencyKey: key,
    input: { rerunOf: run.id },
    deed: { operation: "rerunFromFailure", subject: `run:${run.id}` },
    rerunOfId: run.id,
    context: run.context as JsonObject,
  };
  return run.kind === "PLAYBOOK" ? rerunPlaybook(ctx, ports, { run, again }) : rerunAction(ctx, ports, { run, again });
}

interface Rerun {
  readonly run: Run;
  readonly again: Pick<Start, "idempotencyKey" | "input" | "context"> & Required<Pick<Start, "rerunOfId" | "deed">>;
}

function refuseStatus({ status }: Run): void {
  if (!isTerminal(status)) {
    const message = `The run is ${status}: it can be run again once it has ended.`;
    throw new StateFailure("run_not_ended", message);
  }
  if (status !== "SUCCEEDED" && status !== "SKIPPED") return;
  const message = `The run is ${status}: there is no failure to go on from. Execute it again instead.`;
  throw new StateFailure("nothing_failed", message);
}

async function rerunPlaybook(ctx: OperationContext, ports: RerunPorts, { run, again }: Rerun): Promise<Run> {
  const { em, tenantId } = ctx;
  const { id, playbookId, playbookVersionId, dryRun } = run;
  if (playbookId == null || playbookVersionId == null) throw new Error(`Run ${id} names no playbook.`);
  const [plan, states, trigger] = await Promise.all([
    ports.playbooks.plan(tenantId, playbookVersionId),
    readStates(em, { tenantId, runIds: [id] }),
    triggerOf(ctx, run),
  ]);
  const facts = takeOver(plan, states.get(id) ?? unstarted);
  return startRun(ctx, ports, {
    ...again,
    ...trigger,
    kind: "PLAYBOOK",
    plan: { ...plan, kind: "PLAYBOOK" },
    playbookId,
    playbookVersionId,
    dryRun,
    takenOver: [rerunNotice(facts), ...facts],
    async check() {
      const playbook = await em.findOne(Playbook, { id: playbookId, tenantId }, { disableIdentityMap: true });
      if (playbook && !dryRun) refuseDisabled(playbook);
    },
  });
}

/** Its templates read the same trigger, and its completions are of the same chain. */
async function triggerOf(
  { em, tenantId }: OperationContext,
  { eventId, chain }: Run,
): Promise<Pick<Start, "eventId" | "eventType" | "chain">> {
  if (eventId == null) return {};
  const event = await em.findOne(TriggerEvent, { id: eventId, tenantId }, { disableIdentityMap: true });
  return { eventId, ...(event ? { eventType: event.type } : {}), ...(chain == null ? {} : { chain }) };
}

async function rerunAction(ctx: OperationContext, ports: RerunPorts, { run, again }: Rerun): Promise<Run> {
  if (run.actionVersionId == null) throw new Error(`Run ${run.id} names no action.`);
  const action = await resolveExact(ctx.em, ctx.tenantId, run.actionVersionId);
  const parameters = (run.parameters ?? {}) as JsonObject;
  if (mayLackSecrets(action.definition, { parameters, context: again.context })) {
    throw parametersGone("a secret stood elsewhere in what was given, too, and what is left of that is ***");
  }
  const neededSecrets = await secretsOf(ctx, run, action.definition);
  try {
    return await startAction(ctx, ports, {
      ...again,
      action,
      parameters,
      givenSecrets: {},
      sandbox: run.sandbox,
      neededSecrets,
      takenOver: [rerunNotice([])],
    });
  } catch (error) {
    if (error instanceof ValidationFailure) throw parametersGone(error.message.replace(/\.$/, ""));
    throw error;
  }
}

/** Parameters for which the run had a secret, or, where it did not come so far that this was written down, may have had one. */
async function secretsOf(
  { em, tenantId }: OperationContext,
  { id }: Run,
  { parameters: declared }: ActionDefinition,
): Promise<readonly string[]> {
  const state = (await readStates(em, { tenantId, runIds: [id] })).get(id);
  const input = state?.steps.get(actionStepId)?.input;
  const isThere = (name: string) => input === undefined || (isJsonObject(input) && Object.hasOwn(input, name));
  return declared.flatMap(({ name, type }) => (type === "secret" && isThere(name) ? [name] : []));
}

/** A secret that is given with a call is erased when its run ends, and masked in all else that was given: that can't be told from `***`. */
function mayLackSecrets(
  { parameters: declared }: ActionDefinition,
  given: { readonly parameters: JsonObject; readonly context: JsonObject },
): boolean {
  const mayBeGiven = declared.some(
    ({ name, type }) => type === "secret" && secretReference(given.parameters[name]) === undefined,
  );
  return mayBeGiven && JSON.stringify(given).includes("***");
}

function parametersGone(why: string): StateFailure {
  const message = `What the run was given is not all there any more: ${why}. Execute the action again, with its parameters.`;
  return new StateFailure("parameters_gone", message);
}
