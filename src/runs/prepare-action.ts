import type { ResolvedAction } from "../actions/action-catalogue.ts";
import type { Unknowns } from "../actions/collect-arguments.ts";
import { neededSecrets, prepareInvocation } from "../actions/prepare-invocation.ts";
import { type SimulatedOutput, simulateInvocation } from "../actions/simulate-invocation.ts";
import { AttemptRefused } from "../core/attempt-refused.ts";
import { type JsonObject, storableJson } from "../core/json.ts";
import { turns } from "../core/turns.ts";
import type { Scope } from "../expressions/scope.ts";
import { renderTemplate, templatePaths } from "../expressions/template.ts";
import type { PlanActionStep } from "../playbooks/plan.ts";
import { heardFirst } from "./agent-task.ts";
import { type DryRun, dryRunOf, storableSimulation } from "./dry-run.ts";
import type { BoundStep, StepStatusFact } from "./events.ts";
import { knowSecrets } from "./known-secrets.ts";
import { idempotencyKeyOf, onInterruptOf, performAction, type Ready } from "./perform-action.ts";
import { prepareSafely } from "./prepare-safely.ts";
import { boundStep } from "./request-approval.ts";
import { type Refusal, resolveAction } from "./resolve-action.ts";
import { runScope } from "./run-scope.ts";
import { interceptedDeeds, placeholdersOf, sandboxInvocation, storableDeeds } from "./sandbox.ts";
import { about, listed, type PreparedStep, type StepPorts, type StepStart } from "./step-ports.ts";
import { storableError } from "./storable-outcome.ts";

/** The version that runs, its arguments, and the call for its executor; or why there is none. */
export function prepareAction(
  ports: StepPorts,
  start: StepStart,
  written: PlanActionStep,
): PreparedStep | Promise<PreparedStep> {
  const bound = boundStep(start.state, start.run.plan, written.id);
  const step = bound?.actionRef === undefined ? written : { ...written, actionRef: bound.actionRef };
  const action = resolveAction(ports, start, step);
  const secrets = action instanceof Promise ? undefined : storedSecrets(ports, start, { step, action });
  const env = ports.variables(start.run.tenantId);
  if (env instanceof Promise || action instanceof Promise || secrets instanceof Promise || secrets === undefined) {
    return prepareLater(ports, start, { step, bound, env, action, secrets });
  }
  return prepareKnown(ports, start, { step, bound, env, action, secrets });
}

/** What was asked for already, answered or not; secrets are asked for once the action is known. */
interface AskedInputs {
  readonly step: PlanActionStep;
  readonly bound: BoundStep | undefined;
  readonly env: ReturnType<StepPorts["variables"]>;
  readonly action: ReturnType<typeof resolveAction>;
  readonly secrets: ReturnType<typeof storedSecrets> | undefined;
}

// Every promise is awaited here, so that none can fail unheard.
async function prepareLater(ports: StepPorts, start: StepStart, asked: AskedInputs): Promise<PreparedStep> {
  const { step, bound } = asked;
  const [env, action, known] = await Promise.all([asked.env, asked.action, asked.secrets]);
  const secrets = known ?? (await storedSecrets(ports, start, { step, action }));
  // A thousand branches may have waited for the same answer.
  return turns.take(() => prepareKnown(ports, start, { step, bound, env, action, secrets }));
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
  if (run.sandbox) return placeholdersOf(names);
  return names.length === 0 ? noSecrets : ports.readSecrets(run.tenantId, names);
}

interface ActionInputs {
  readonly step: PlanActionStep;
  /** What an approval bound it to. */
  readonly bound: BoundStep | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly action: ResolvedAction | Refusal;
  readonly secrets: ReadonlyMap<string, string>;
}

function prepareKnown(ports: StepPorts, start: StepStart, { action, ...inputs }: ActionInputs): PreparedStep {
  if ("code" in action) {
    const fact = { ...about(start), status: "FAILED" as const, error: { ...action }, isFinal: true as const };
    return heardFirst(ports, start, { fact });
  }
  const secrets = inputs.secrets.values();
  const prepared = prepareSafely({ ports, start, secrets }, () => prepareCall(ports, start, { ...inputs, action }));
  return heardFirst(ports, start, prepared);
}

function prepareCall(
  ports: StepPorts,
  start: StepStart,
  { step, bound, action, env, secrets }: ActionInputs & { action: ResolvedAction },
): PreparedStep {
  const dry = start.run.dryRun ? dryRunOf(start.run.plan, start.state) : undefined;
  const scope = runScope(start.run, dry?.state ?? start.state, env);
  const given = givenParameters(start, { step, bound, dry }, scope);
  const invocation = {
    definition: action.definition,
    parameters: given.parameters,
    scope,
    givenSecrets: start.run.givenSecrets,
    storedSecrets: secrets,
  };
  const prepared = dry
    ? simulateInvocation({ ...invocation, unknowns: unknownsOf(dry, step) })
    : start.run.sandbox
      ? sandboxInvocation(invocation)
      : prepareInvocation(invocation);
  const problem = start.keepInput(prepared.input);
  if (problem) return { fact: { ...about(start), status: "FAILED", error: problem, isFinal: true } };
  const warnings = [...given.warnings, ...prepared.warnings, ...(dry?.warnings() ?? [])];
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
    case "failed":
      return { fact: { ...common, status: "FAILED", error: storableError(prepared.error), isFinal: true } };
    case "simulated":
      return simulatedStep(start, common, prepared.output);
    case "ready":
      knowSecrets(start.run, prepared.secrets);
      return readyStep(ports, { start, step, action, prepared }, common);
    default:
      return prepared satisfies never;
  }
}

function simulatedStep(
  start: StepStart,
  common: Omit<StepStatusFact, "status">,
  simulated: SimulatedOutput,
): PreparedStep {
  const output = storableSimulation(simulated, start.outputs());
  const fact = { ...common, status: "SIMULATED" as const, output };
  if (!start.run.sandbox) return { fact };
  try {
    return { fact: { ...fact, deeds: storableDeeds(interceptedDeeds(simulated, idempotencyKeyOf(start))) } };
  } catch (error) {
    if (!(error instanceof AttemptRefused)) throw error;
    return { fact: { ...common, status: "FAILED", error: storableError(error.error), isFinal: true } };
  }
}

// Parameters of an action executed by itself are the caller's values as they are; those of a step are templates. What people approved is
// what runs, whatever the templates would yield by now.
function givenParameters(
  { run }: StepStart,
  { step, bound, dry }: Pick<ActionInputs, "step" | "bound"> & { readonly dry: DryRun | undefined },
  scope: Scope,
): { parameters: JsonObject; warnings: readonly string[] } {
  if (run.plan.kind === "ACTION") return { parameters: run.parameters ?? {}, warnings: [] };
  const { value, warnings } = renderTemplate(step.parameters, scope, dry?.standIn);
  return { parameters: { ...(value as JsonObject), ...bound?.parameters }, warnings };
}

/** Which parameters of the step a dry run can't know. */
function unknownsOf({ standIn }: DryRun, { parameters }: PlanActionStep): Unknowns {
  const unknown = Object.entries(parameters).filter(([, value]) =>
    templatePaths(value).some((path) => standIn(path) !== undefined),
  );
  return { standIn, names: new Set(unknown.map(([name]) => name)) };
}

function readyStep(ports: StepPorts, ready: Ready, common: Omit<StepStatusFact, "status">): PreparedStep {
  const { definition, actionId, version } = ready.action;
  const isOnAgent = definition.executor.type === "opservant";
  const onInterrupt = isOnAgent ? "hear" : onInterruptOf(ready);
  const { max_attempts: maxAttempts = 1, backoff_seconds: backoffSeconds = 0 } = definition.retry ?? {};
  return {
    fact: {
      ...common,
      status: "RUNNING",
      ...(maxAttempts > 1 ? { retry: { maxAttempts, backoffMs: backoffSeconds * 1_000 } } : {}),
      ...(onInterrupt === "fail" || onInterrupt === "hear" ? { onInterrupt } : {}),
    },
    begin: (conversation) => performAction(ports, ready, conversation),
    // An agent works elsewhere: nothing of this node is held for it.
    ...(isOnAgent ? { takesOwnSlot: true as const } : {}),
    // What happens in the sandbox triggers nothing.
    ...(ready.start.run.sandbox
      ? {}
      : { action: { id: actionId, name: definition.name, version, type: definition.type } }),
  };
}

function violationError(issues: readonly { readonly path: string; readonly message: string }[]) {
  return {
    code: "invalid_parameters",
    message: issues.map(({ path, message }) => `${path}: ${message}`).join(" "),
  };
}
