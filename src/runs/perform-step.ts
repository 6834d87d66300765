import type { ActionCatalogue, ResolvedAction } from "../actions/action-catalogue.ts";
import { mapOutput } from "../actions/map-output.ts";
import { neededSecrets, type Prepared, prepareInvocation } from "../actions/prepare-invocation.ts";
import { DomainFailure } from "../core/failures.ts";
import { type Json, type JsonObject, storableJson, storableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Attempt, Outcome } from "../executors/executor.ts";
import { evaluateExpression, parseExpression } from "../expressions/expression.ts";
import type { Scope } from "../expressions/scope.ts";
import { renderTemplate } from "../expressions/template.ts";
import type { PlanActionStep, PlanConditionStep } from "../playbooks/plan.ts";
import { createMask } from "../secrets/mask.ts";
import type { StepStatusFact } from "./events.ts";
import type { RunState } from "./fold.ts";
import type { RunInfo } from "./new-run.ts";
import { runScope } from "./run-scope.ts";
import { storableError, storableOutcome } from "./storable-outcome.ts";

/** What a step needs of the world. Answers without a promise keep a step's outcome and the next step's start in one flush. */
export interface StepPorts {
  readonly actions: Pick<ActionCatalogue, "resolve" | "files">;
  readonly variables: (
    tenantId: string,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  readonly readSecrets: (tenantId: string, names: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  readonly execute: (attempt: Attempt) => Promise<Outcome>;
  readonly log: Log;
}

/** What an executor under way reports to and hears from. */
export interface Conversation {
  readonly signal: AbortSignal;
  readonly onLog: Attempt["onLog"];
}

/** A step that is about to begin: what to write, and, where it has an effect, what to call once that is durable. */
export interface PreparedStep {
  readonly fact: StepStatusFact;
  /** Runs the executor to its end; never rejects for what the outside world does. */
  readonly begin?: (conversation: Conversation) => Promise<Outcome>;
}

export interface StepStart {
  readonly run: RunInfo;
  readonly state: RunState;
  readonly stepId: string;
  readonly attempt: number;
}

/** Works out a step's inputs. Nothing outside is touched. */
export function prepareStep(ports: StepPorts, start: StepStart): PreparedStep | Promise<PreparedStep> {
  const step = start.run.plan.steps.get(start.stepId);
  if (!step) throw new Error(`The plan has no step ${start.stepId}.`);
  if (step.type === "CONDITION") {
    const env = ports.variables(start.run.tenantId);
    return env instanceof Promise
      ? env.then((known) => prepareCondition(step, start, known))
      : prepareCondition(step, start, env);
  }
  const action = resolveAction(ports, start, step);
  const secrets = action instanceof Promise ? undefined : storedSecrets(ports, start, { step, action });
  const env = ports.variables(start.run.tenantId);
  if (env instanceof Promise || action instanceof Promise || secrets instanceof Promise || secrets === undefined) {
    return prepareActionLater(ports, start, { step, env, action, secrets });
  }
  return prepareSafely(ports, start, { step, env, action, secrets });
}

/** What was asked for already, answered or not; secrets are asked for once the action is known. */
interface AskedInputs {
  readonly step: PlanActionStep;
  readonly env: ReturnType<StepPorts["variables"]>;
  readonly action: ReturnType<typeof resolveAction>;
  readonly secrets: ReturnType<typeof storedSecrets> | undefined;
}

// Every promise is awaited here, so that none can fail unheard.
async function prepareActionLater(ports: StepPorts, start: StepStart, asked: AskedInputs): Promise<PreparedStep> {
  const { step } = asked;
  const [env, action, known] = await Promise.all([asked.env, asked.action, asked.secrets]);
  const secrets = known ?? (await storedSecrets(ports, start, { step, action }));
  return prepareSafely(ports, start, { step, env, action, secrets });
}

function prepareCondition(
  step: PlanConditionStep,
  start: StepStart,
  env: Readonly<Record<string, string>>,
): PreparedStep {
  const { value, warnings } = evaluateExpression(
    parseExpression(step.expression),
    runScope(start.run, start.state, env),
  );
  return { fact: { ...about(start), status: "SUCCEEDED", output: { result: value }, ...listed(warnings) } };
}

type Refusal = { readonly code: string; readonly message: string };

/** The version that runs, or why none can: a refusal is the step's failure, not the engine's. */
function resolveAction(
  ports: StepPorts,
  { run }: StepStart,
  { actionId, actionRef }: PlanActionStep,
): ResolvedAction | Refusal | Promise<ResolvedAction | Refusal> {
  try {
    const resolved = ports.actions.resolve(run.tenantId, { actionId, actionRef });
    return resolved instanceof Promise ? resolved.catch(refusalOf) : resolved;
  } catch (error) {
    return refusalOf(error);
  }
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof DomainFailure) return { code: error.code, message: error.message };
  throw error;
}

const noSecrets: ReadonlyMap<string, string> = new Map();

function storedSecrets(
  ports: StepPorts,
  { run }: StepStart,
  { step, action }: { step: PlanActionStep; action: ResolvedAction | Refusal },
): ReadonlyMap<string, string> | Promise<ReadonlyMap<string, string>> {
  if ("code" in action) return noSecrets;
  const given = run.plan.kind === "ACTION" ? (run.parameters ?? {}) : step.parameters;
  const names = neededSecrets(action.definition, { ...given, ...run.givenSecrets });
  return names.length === 0 ? noSecrets : ports.readSecrets(run.tenantId, names);
}

interface ActionInputs {
  readonly step: PlanActionStep;
  readonly env: Readonly<Record<string, string>>;
  readonly action: ResolvedAction | Refusal;
  readonly secrets: ReadonlyMap<string, string>;
}

// Inputs that can't be worked out (a rendered text that is too large, say) are the step's failure; so is a bug of ours, since trying
// again would not help.
function prepareSafely(ports: StepPorts, start: StepStart, { action, ...inputs }: ActionInputs): PreparedStep {
  try {
    if (!("code" in action)) return prepareAction(ports, start, { ...inputs, action });
    return { fact: { ...about(start), status: "FAILED", error: { ...action }, isFinal: true } };
  } catch (error) {
    const refusal =
      error instanceof DomainFailure
        ? { code: error.code, message: error.message }
        : unprepared(ports, start, { ...inputs, error });
    return { fact: { ...about(start), status: "FAILED", error: storableError(refusal), isFinal: true } };
  }
}

function unprepared(
  ports: StepPorts,
  { run, stepId }: StepStart,
  { secrets, error }: { secrets: ReadonlyMap<string, string>; error: unknown },
): Refusal {
  const mask = createMask([...secrets.values(), ...Object.values(run.givenSecrets)]);
  const reason = mask.text(error instanceof Error ? (error.stack ?? error.message) : String(error));
  ports.log.error({ runId: run.id, step: stepId, reason }, "step.unprepared");
  return { code: "internal_error", message: "Its inputs could not be worked out; the server's log says why." };
}

function prepareAction(
  ports: StepPorts,
  start: StepStart,
  { step, action, env, secrets }: ActionInputs & { action: ResolvedAction },
): PreparedStep {
  const scope = runScope(start.run, start.state, env);
  const given = givenParameters(start, step, scope);
  const prepared = prepareInvocation({
    definition: action.definition,
    parameters: given.parameters,
    scope,
    givenSecrets: start.run.givenSecrets,
    storedSecrets: secrets,
  });
  const warnings = [...given.warnings, ...prepared.warnings];
  const common = {
    ...about(start),
    input: storableJson(prepared.input),
    actionVersionId: action.versionId,
    ...listed(warnings),
  };
  switch (prepared.kind) {
    case "skipped":
      return { fact: { ...common, status: "SKIPPED" } };
    case "refused":
      return {
        fact: { ...common, status: "FAILED", error: storableError(violationError(prepared.issues)), isFinal: true },
      };
    case "ready":
      return readyStep(ports, { start, step, action, prepared }, common);
    default:
      return prepared satisfies never;
  }
}

// Parameters of an action executed by itself are the caller's values as they are; those of a step are templates.
function givenParameters({ run }: StepStart, step: PlanActionStep, scope: Scope) {
  if (run.plan.kind === "ACTION") return { parameters: run.parameters ?? {}, warnings: [] };
  const { value, warnings } = renderTemplate(step.parameters, scope);
  return { parameters: value as JsonObject, warnings };
}

interface Ready {
  readonly start: StepStart;
  readonly step: PlanActionStep;
  readonly action: ResolvedAction;
  readonly prepared: Extract<Prepared, { kind: "ready" }>;
}

function readyStep(ports: StepPorts, ready: Ready, common: Omit<StepStatusFact, "status">): PreparedStep {
  const { definition } = ready.action;
  const onInterrupt = ready.step.onInterrupt ?? definition.on_interrupt;
  const { max_attempts: maxAttempts = 1, backoff_seconds: backoffSeconds = 0 } = definition.retry ?? {};
  return {
    fact: {
      ...common,
      status: "RUNNING",
      ...(maxAttempts > 1 ? { retry: { maxAttempts, backoffMs: backoffSeconds * 1_000 } } : {}),
      ...(onInterrupt === "fail" ? { onInterrupt } : {}),
    },
    begin: (conversation) => perform(ports, ready, conversation),
  };
}

async function perform(
  ports: StepPorts,
  { start, step, action, prepared }: Ready,
  conversation: Conversation,
): Promise<Outcome> {
  const { secrets } = prepared;
  try {
    const call =
      prepared.call.type === "local"
        ? { ...prepared.call, files: await readFiles(ports, action, conversation.signal) }
        : prepared.call;
    const outcome = await ports.execute({
      call,
      idempotencyKey: `${start.run.id}:${start.stepId}`,
      timeoutMs: Math.min(prepared.timeoutMs, step.timeoutMs ?? Number.POSITIVE_INFINITY),
      secrets,
      ...conversation,
    });
    const others = start.state.steps.values().map(({ output }) => output);
    if (outcome.status !== "SUCCEEDED") return storableOutcome(outcome, others);
    return storableOutcome({ ...outcome, output: mapOutput(action.definition, outcome.output) }, others);
  } catch (error) {
    // A bug of ours, or a database that was away: what happened is for our log, not for the run's readers.
    const reason = createMask(secrets).text(error instanceof Error ? (error.stack ?? error.message) : String(error));
    ports.log.error({ runId: start.run.id, step: start.stepId, reason }, "step.broke");
    return {
      status: "FAILED",
      error: { code: "internal_error", message: "The executor broke; the server's log says why." },
    };
  }
}

// A database that is away is not the step's fault: it waits, as long as the run is ours.
async function readFiles(ports: StepPorts, { versionId }: ResolvedAction, signal: AbortSignal) {
  for (;;) {
    try {
      return await ports.actions.files(versionId);
    } catch (error) {
      if (signal.aborted) throw error;
      ports.log.warn({ versionId, message: String(error) }, "step.files_unavailable");
      await new Promise((resolve) => setTimeout(resolve, limits.prepareRetryMs));
    }
  }
}

function violationError(issues: readonly { readonly path: string; readonly message: string }[]) {
  return {
    code: "invalid_parameters",
    message: issues.map(({ path, message }) => `${path}: ${message}`).join(" "),
  };
}

function about({ stepId, attempt }: StepStart) {
  return { type: "STEP_STATUS" as const, stepId, attempt };
}

function listed(warnings: readonly string[]): { warnings?: readonly Json[] & readonly string[] } {
  return warnings.length === 0 ? {} : { warnings: warnings.map(storableText) };
}
