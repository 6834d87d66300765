import type { ActionDefinition } from "../actions/definition.ts";
import { neededSecrets, prepareInvocation } from "../actions/prepare-invocation.ts";
import { type ResolvedAction, resolveReference } from "../actions/resolve-version.ts";
import { type Issue, StateFailure, ValidationFailure } from "../core/failures.ts";
import { type Json, type JsonObject, sha256 } from "../core/json.ts";
import { childPath } from "../core/json-path.ts";
import type { ReadSecrets } from "../secrets/credential-store.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { actionPlan } from "./action-plan.ts";
import type { Run } from "./entities.ts";
import { unstarted } from "./fold.ts";
import { runScope } from "./run-scope.ts";
import { placeholdersOf, sandboxInvocation } from "./sandbox.ts";
import { acceptedKey, acceptedObject, type Start, type StartPorts, startRun } from "./start-run.ts";
import type { StepPorts } from "./step-ports.ts";

/** Where inputs come from that the caller does not give. */
export interface InputPorts {
  readonly readSecrets: ReadSecrets;
  readonly variables: StepPorts["variables"];
  /** Why this node can't run a script in the sandbox, and what to do about it; undefined where it can. */
  readonly sandboxRefusal: () => { readonly reason: string; readonly remedy: string } | undefined;
}

export interface ExecuteActionInput {
  readonly ref: string;
  readonly parameters?: Json | undefined;
  readonly context?: Json | undefined;
  readonly sandbox?: boolean | null | undefined;
  readonly idempotencyKey?: string | null | undefined;
}

/**
 * Starts one action by itself, of the version that the reference resolves to now. A violation of its parameters is refused here: nothing
 * is stored and the executor is never called.
 * In the sandbox a disabled action runs too, and nothing outside is touched.
 * @throws ValidationFailure with every violation; NotFoundFailure; StateFailure `action_disabled`, `version_withdrawn`,
 * `sandbox_unavailable`; ConflictFailure.
 */
export async function executeAction(
  ctx: OperationContext,
  ports: StartPorts & InputPorts,
  input: ExecuteActionInput,
): Promise<Run> {
  const context = acceptedObject(input.context, "$.context");
  const all = acceptedObject(input.parameters, "$.parameters");
  const idempotencyKey = acceptedKey(input.idempotencyKey);
  const action = await resolveReference(ctx.em, ctx.tenantId, input.ref);
  const sandbox = input.sandbox ?? false;
  const { parameters, givenSecrets } = splitSecrets(action.definition, all);
  return startAction(ctx, ports, {
    action,
    parameters,
    context,
    givenSecrets,
    idempotencyKey,
    sandbox,
    deed: {
      operation: "executeAction",
      subject: `action:${action.name}`,
      detail: { version: action.definition.version },
    },
    input: {
      ...{ action: action.actionId, ref: input.ref, parameters, context, secrets: fingerprints(givenSecrets) },
      ...(sandbox ? { sandbox } : {}),
    },
  });
}

/** What an action is executed with, and by which version. */
export interface ActionStart
  extends Pick<Start, "context" | "idempotencyKey" | "input">,
    Required<Pick<Start, "deed">>,
    Partial<Pick<Start, "rerunOfId" | "takenOver" | "sandbox">> {
  readonly action: ResolvedAction;
  readonly parameters: JsonObject;
  readonly givenSecrets: Readonly<Record<string, string>>;
  /** Secrets, by parameter, without which it is not to start, also where the action can do without. */
  readonly neededSecrets?: readonly string[];
}

/**
 * Starts a run of one action.
 * @throws ValidationFailure with every violation; StateFailure `action_disabled`, `sandbox_unavailable`; ConflictFailure.
 */
export async function startAction(
  ctx: OperationContext,
  ports: StartPorts & InputPorts,
  { action, neededSecrets: needed = [], ...rest }: ActionStart,
): Promise<Run> {
  const { actionId, versionId: actionVersionId, definition } = action;
  const start = { ...rest, kind: "ACTION" as const, plan: actionPlan(action), actionId, actionVersionId };
  const check = async () => {
    if (start.sandbox) refuseUnprotected(action, ports);
    else refuseState(action);
    await refuseViolations(ctx, ports, { ...start, definition, needed });
  };
  return startRun(ctx, ports, { ...start, check });
}

function refuseState({ name, enabled }: ResolvedAction): void {
  if (!enabled) throw new StateFailure("action_disabled", `Action ${name} is disabled; setActionEnabled turns it on.`);
}

/** A script never runs unprotected where somebody asked for the sandbox. */
function refuseUnprotected({ definition }: ResolvedAction, { sandboxRefusal }: InputPorts): void {
  const refusal = definition.executor.type === "local" ? sandboxRefusal() : undefined;
  if (!refusal) return;
  throw new StateFailure(
    "sandbox_unavailable",
    `This server can't isolate a script: ${refusal.reason} ${refusal.remedy}`,
  );
}

/** Secrets given by value travel apart from the other parameters, which are stored as they are. */
function splitSecrets(definition: ActionDefinition, all: JsonObject) {
  const names = new Set(definition.parameters.filter(({ type }) => type === "secret").map(({ name }) => name));
  const isGiven = ([name, value]: [string, Json]) => names.has(name) && typeof value === "string";
  const entries = Object.entries(all);
  return {
    givenSecrets: Object.fromEntries(entries.filter(isGiven)) as Record<string, string>,
    parameters: Object.fromEntries(entries.filter((entry) => !isGiven(entry))),
  };
}

/** Tells equal secrets from others under one idempotency key; cut short, so that a stored hash can't confirm a guess. */
function fingerprints(givenSecrets: Readonly<Record<string, string>>): Json {
  return Object.fromEntries(Object.entries(givenSecrets).map(([name, value]) => [name, sha256(value).slice(0, 4)]));
}

interface Checked {
  readonly definition: ActionDefinition;
  readonly plan: ReturnType<typeof actionPlan>;
  readonly parameters: JsonObject;
  readonly context: JsonObject;
  readonly givenSecrets: Readonly<Record<string, string>>;
  readonly needed: readonly string[];
  readonly sandbox?: boolean | undefined;
}

async function refuseViolations(
  { tenantId, actor: startedBy }: OperationContext,
  { readSecrets, variables }: InputPorts,
  { definition, plan, parameters, context, givenSecrets, needed, sandbox }: Checked,
): Promise<void> {
  const names = neededSecrets(definition, { ...parameters, ...givenSecrets });
  const storedSecrets = sandbox ? placeholdersOf(names) : await storedOf(readSecrets, tenantId, names);
  const info = {
    id: "",
    tenantId,
    kind: "ACTION" as const,
    plan,
    context,
    parameters,
    givenSecrets,
    startedBy,
    createdAt: 0,
  };
  const prepare = sandbox ? sandboxInvocation : prepareInvocation;
  const prepared = prepare({
    definition,
    parameters,
    scope: runScope(info, unstarted, await variables(tenantId)),
    givenSecrets,
    storedSecrets,
  });
  if (prepared.kind === "refused") throw new ValidationFailure(prepared.issues);
  const missing = needed.filter((name) => !Object.hasOwn(prepared.input, name));
  if (missing.length > 0) throw new ValidationFailure(missing.map(withoutSecret));
}

function storedOf(readSecrets: ReadSecrets, tenantId: string, names: readonly string[]) {
  return names.length === 0 ? new Map<string, string>() : readSecrets(tenantId, names);
}

function withoutSecret(name: string): Issue {
  const message = `${name} may have been given, and is neither kept nor in the credential store under that name.`;
  return { path: childPath("$.parameters", name), code: "required", message };
}
