import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import type { ActionDefinition } from "../../src/actions/definition.ts";
import { NotFoundFailure } from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { silentLog } from "../../src/core/log.ts";
import { clientConfig, type DatabaseAddress } from "../../src/database/address.ts";
import type { Attempt, Outcome, RemoteCall } from "../../src/executors/executor.ts";
import type { Plan } from "../../src/playbooks/plan.ts";
import { Engine, type EnginePorts } from "../../src/runs/engine.ts";
import { fromRow, type RunEvent } from "../../src/runs/events.ts";
import { ExecutorSlots } from "../../src/runs/executor-slots.ts";
import { fold, type RunState, unstarted } from "../../src/runs/fold.ts";
import { Hub } from "../../src/runs/hub.ts";
import { MemoryBudget } from "../../src/runs/memory-budget.ts";
import type { NewRun } from "../../src/runs/new-run.ts";
import type { ResidentPorts } from "../../src/runs/resident-ports.ts";
import type { TenantGate } from "../../src/tenancy/disabled-tenants.ts";
import { createTestDatabase } from "../support/database.ts";
import { allEnabled } from "../tenancy/tenancy-fixtures.ts";
import { problemsOfRun, type RunHead } from "./run-problems.ts";
import { actionStep, planOf } from "./walk-driver.ts";

export const tenantId = "0190a0f0-0000-7000-8000-000000000001";

/** What an executor of a test sees: the action's name, its arguments, and the step it is called for. */
export interface Call {
  readonly action: string;
  readonly arguments: JsonObject;
  readonly runId: string;
  readonly stepId: string;
  readonly attempt: Attempt;
}

export type Execute = (call: Call) => Outcome | Promise<Outcome>;

export const failed = { status: "FAILED", error: { code: "exit_code", message: "It broke." } } as const;
export const echo: Execute = ({ arguments: given }) => ({ status: "SUCCEEDED", output: given });
/** Answers only when it is told to stop, which may have happened before it is called. */
export const untilStopped: Execute = ({ attempt: { signal } }) =>
  new Promise((resolve) => {
    if (signal.aborted) resolve({ status: "CANCELLED" });
    signal.addEventListener("abort", () => resolve({ status: "CANCELLED" }));
  });
export const stepsOf = (events: readonly RunEvent[]) =>
  events.flatMap((event) => (event.type === "STEP_STATUS" ? [`${event.stepId}.${event.attempt} ${event.status}`] : []));
export const single = planOf([actionStep("only")]);

/** An action whose arguments are passed on as they are. */
export function definitionOf(name: string, rest: Partial<ActionDefinition> = {}): ActionDefinition {
  const names = ["value", "list", "text", "number"];
  return {
    name,
    version: "1.0.0",
    type: "enrichment",
    description: name,
    parameters: names.map((parameter) => ({ name: parameter, type: "string" as const })),
    executor: { type: "remote", target: `https://executor.example/${name}` },
    ...rest,
  };
}

/** An in-memory catalogue: any name is an action; `definitions` say more of some. */
export function catalogueOf(
  definitions: Readonly<Record<string, ActionDefinition>> = {},
): EnginePorts["steps"]["actions"] {
  const known = new Map(Object.entries(definitions));
  const versionId = randomUUID();
  return {
    resolve(_tenantId: string, { actionId }: { readonly actionId: string }) {
      if (actionId === "missing") throw new NotFoundFailure("There is no such action.");
      const definition = known.get(actionId) ?? definitionOf(actionId);
      known.set(actionId, definition);
      return { actionId, versionId, version: definition.version, definition, enabled: true };
    },
    files: async () => [],
  } as unknown as EnginePorts["steps"]["actions"];
}

/** Of runs without live actions. */
export const noLiveActions = { isCredential: () => false } as unknown as EnginePorts["steps"]["liveActions"];

/** Nobody has ever asked an agent for anything. */
export const noAgentTasks: EnginePorts["steps"]["agentTasks"] = { hear: async () => undefined };

/** What a run in memory has to share with others. */
export function plentyOfMemory(): Pick<ResidentPorts, "memory" | "slots"> {
  const memory = new MemoryBudget();
  return { memory, slots: new ExecutorSlots(memory) };
}

export interface EngineOptions {
  readonly execute: Execute;
  readonly address: DatabaseAddress;
  readonly plans: ReadonlyMap<string, Plan>;
  readonly hub?: Hub;
  readonly tenants?: TenantGate;
  readonly memory?: MemoryBudget;
  readonly steps?: Partial<EnginePorts["steps"]>;
}

export function createEngine({
  execute,
  address,
  plans,
  hub = new Hub(),
  tenants = allEnabled,
  memory = new MemoryBudget(),
  steps,
}: EngineOptions): Engine {
  return new Engine({
    address,
    hub,
    tenants,
    memory,
    isAlone: false,
    log: silentLog,
    openSecrets: async (_tenantId, _runId, sealed) => sealed,
    playbookPlan: (_tenantId, versionId) => {
      const plan = plans.get(versionId);
      if (!plan) throw new Error(`There is no plan ${versionId}.`);
      return plan;
    },
    steps: {
      actions: catalogueOf(),
      variables: () => ({ region: "eu" }),
      readSecrets: async (_tenantId, names) => new Map(names.map((name) => [name, `stored-${name}`])),
      execute: async (attempt) => {
        const call = attempt.call as RemoteCall;
        const [runId = "", stepId = ""] = attempt.idempotencyKey.split(":");
        const action = new URL(call.url).pathname.slice(1);
        return execute({ action, arguments: (call.body ?? {}) as JsonObject, runId, stepId, attempt });
      },
      liveActions: noLiveActions,
      agentTasks: noAgentTasks,
      ...steps,
    },
  });
}

/** A database, engines on it, and what the tests ask of both. */
export class EngineWorld {
  readonly pool: Pool;
  readonly address: DatabaseAddress;
  readonly plans = new Map<string, Plan>();
  readonly #close: () => Promise<void>;
  readonly #engines: Engine[] = [];

  static async create(): Promise<EngineWorld> {
    const { address, close } = await createTestDatabase();
    return new EngineWorld(address, close);
  }

  private constructor(address: DatabaseAddress, close: () => Promise<void>) {
    this.address = address;
    this.#close = close;
    this.pool = new Pool({ ...clientConfig(address), application_name: "test", max: 4 });
    this.pool.on("error", () => undefined);
  }

  async engine(execute: Execute, rest: Partial<EngineOptions> = {}): Promise<Engine> {
    const engine = createEngine({ execute, address: this.address, plans: this.plans, ...rest });
    this.#engines.push(engine);
    await engine.start();
    return engine;
  }

  /** Stops the engines of one test, and waits for what they gave up in the database: its locks and ours would wait for each other. */
  async reset(): Promise<void> {
    await Promise.all(this.#engines.splice(0).map((engine) => engine.stop()));
    await this.until(async () => (await this.pool.query(othersAtWorkSql)).rowCount === 0);
    await this.pool.query("truncate run, run_event, run_signal, node, approval, trigger_event");
  }

  async close(): Promise<void> {
    await this.pool.end();
    await this.#close();
  }

  /** A run of a playbook that is to begin; the plan is known to every engine of this world. */
  birth(plan: Plan, rest: Partial<NewRun> = {}): NewRun {
    const known = [...this.plans].find(([, other]) => other === plan)?.[0];
    const playbookVersionId = known ?? randomUUID();
    this.plans.set(playbookVersionId, plan);
    return {
      ...{
        id: newId(),
        tenantId,
        kind: "PLAYBOOK",
        plan: { ...plan, kind: "PLAYBOOK" },
        playbookId: newId(),
        playbookVersionId,
      },
      ...{ context: {}, givenSecrets: {}, startedBy: { kind: "TOKEN", name: "ann", id: newId() } as never },
      ...rest,
    };
  }

  /** Stores a run as a node leaves it that has no room: born, free, due at `at`. */
  async leaveFree({ id, playbookVersionId }: NewRun, at = new Date()): Promise<void> {
    await this.pool.query(freeRunSql, [id, tenantId, playbookVersionId, at]);
  }

  async head(runId: string): Promise<RunHead | undefined> {
    const { rows } = await this.pool.query(headSql, [runId]);
    return rows[0] as RunHead | undefined;
  }

  async events(runId: string): Promise<RunEvent[]> {
    const { rows } = await this.pool.query(eventsSql, [runId]);
    return rows.map((row) => fromRow({ ...row, at: Math.round(Number(row.at)) }));
  }

  async state(runId: string): Promise<RunState> {
    return (await this.events(runId)).reduce(fold, unstarted);
  }

  /** Resolves when all of them have ended. */
  async ended(...runIds: readonly string[]): Promise<void> {
    await this.until(async () => {
      const { rows } = await this.pool.query(
        "select count(*)::int as n from run where id = any($1::uuid[]) and finished_at is not null",
        [runIds],
      );
      return rows[0].n === runIds.length;
    });
  }

  /** Resolves when it holds; the test's own time limit bounds it. A database that is away for a moment is asked again. */
  async until(holds: () => boolean | Promise<boolean>): Promise<void> {
    for (;;) {
      const isSo = await Promise.resolve(holds()).catch(() => false);
      if (isSo) return;
      await sleep(10);
    }
  }

  /** As `cancelRun` does it. */
  signalCancel(runId: string, reason = "enough"): Promise<void> {
    return this.#signal(runId, "CANCEL", { by: "ann", reason });
  }

  /** Something that a run is to hear, and that changes nothing. */
  signalNotice(runId: string, code: string): Promise<void> {
    return this.#signal(runId, "NOTICE", { code, message: code });
  }

  async #signal(runId: string, type: string, body: Json): Promise<void> {
    const sql =
      "insert into run_signal (id, tenant_id, created_at, run_id, type, body) values ($1, $2, now(), $3, $4, $5)";
    await this.pool.query(sql, [newId(), tenantId, runId, type, body]);
  }
}

/** A statement goes on when its client has dropped the connection. */
const othersAtWorkSql = `
select pid from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid() and state <> 'idle'`;

const freeRunSql = `
with born as (
  insert into run (id, tenant_id, created_at, kind, status, playbook_version_id, context, sandbox, dry_run, started_by_kind, started_by_name, wake_at)
  values ($1, $2, now(), 'PLAYBOOK', 'QUEUED', $3, '{}', false, false, 'SYSTEM', 'test', $4)
)
insert into run_event (run_id, sequence, tenant_id, at, run_attempt, type, label) values ($1, 1, $2, now(), 1, 'RUN_STATUS', 'QUEUED')`;

const headSql = `
select status, owner_id as "ownerId", wake_at as "wakeAt", finished_at as "finishedAt", attempt, failed_step_count as failed,
  simulated_step_count as simulated, error_code as "errorCode", sealed_secrets as "sealedSecrets" from run where id = $1`;

const eventsSql = `
select sequence, extract(epoch from at) * 1000 as at, run_attempt as "runAttempt", type, step_id as "stepId", attempt, label, body
from run_event where run_id = $1 order by sequence`;

/** What the run broke of what no run may ever break, as problems in words; an ended run is expected. */
export async function problemsOf(world: EngineWorld, runId: string): Promise<string[]> {
  return problemsOfRun(await world.events(runId), await world.head(runId));
}
