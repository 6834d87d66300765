import type { EntityManager } from "@mikro-orm/postgresql";
import { isUuid, newId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { Attempt, ExecutionError, OpservantCall } from "../executors/executor.ts";
import type { Sealer } from "../secrets/seal.ts";
import { findTask } from "./find-task.ts";
import { sealTaskArguments } from "./task-arguments.ts";

interface RequestPorts {
  readonly em: EntityManager;
  readonly sealer: Sealer;
}

/** The task, or why there is none. */
export type Requested = { readonly id: string } | { readonly error: ExecutionError };

/**
 * Writes the task of an attempt down and tells its agent, on whichever node that is connected. Where it was asked for before, it is that one.
 * @returns Undefined where the attempt was told to end, and nothing was asked for before.
 */
export async function requestTask(
  { em, sealer }: RequestPorts,
  attempt: Attempt<OpservantCall>,
): Promise<Requested | undefined> {
  const { call, signal, secrets } = attempt;
  const known = await findTask(em, call.task);
  if (known || signal.aborted) return known;
  const task = { id: newId(), tenantId: call.task.tenantId };
  const { arguments: given, parameterNames, secretNames } = call;
  const contents = { arguments: given, parameterNames, secretNames: [...secretNames], secrets };
  const sealed = await sealTaskArguments(sealer, task, contents);
  return em.transactional(async (inner) => {
    const error = await refusal(inner, call);
    if (error) return { error };
    await inner.execute(insertSql, insertValues(task, attempt, sealed));
    const kept = await findTask(inner, call.task);
    if (!kept) throw new Error("A task that was written down is there.");
    await inner.execute("select pg_notify('riposte_agent', ?)", [call.agentId]);
    return kept;
  });
}

/** Locks the agent against its revocation, which ends the tasks that are there by then. */
async function refusal(em: EntityManager, { agentId, task }: OpservantCall): Promise<ExecutionError | undefined> {
  const mine = [agentId, task.tenantId];
  const [agent] = isUuid(agentId) ? await em.execute<AgentState[]>(agentSql, mine) : [];
  if (!agent) return unavailable("There is no agent of this id; the action's executor.target names it.");
  if (agent.is_revoked)
    return unavailable("The agent was revoked; another one has to be the action's executor.target.");
  if (agent.is_disabled) return { code: "tenant_disabled", message: "The tenant is disabled, so no agent is asked." };
  const [open] = await em.execute<{ count: number }[]>(openSql, mine);
  if (Number(open?.count) < limits.agentTasksOpenMax) return undefined;
  const message = `The agent has ${limits.agentTasksOpenMax} open tasks, which is the most it can have.`;
  return { code: "agent_busy", message };
}

function unavailable(message: string): ExecutionError {
  return { code: "agent_unavailable", message };
}

interface AgentState {
  readonly is_revoked: boolean;
  readonly is_disabled: boolean;
}

const agentSql = `
select revoked_at is not null as is_revoked, exists (select from tenant where id = tenant_id and disabled_at is not null) as is_disabled
from agent where id = ? and tenant_id = ? for share`;
const openSql =
  "select count(*)::int as count from agent_task where agent_id = ? and tenant_id = ? and finished_at is null";

function insertValues(
  { id, tenantId }: { readonly id: string; readonly tenantId: string },
  { call, idempotencyKey, timeoutMs }: Attempt<OpservantCall>,
  sealed: string,
): unknown[] {
  const { task, action } = call;
  return [
    ...[id, tenantId, call.agentId, task.runId, task.stepId, task.runAttempt, task.attempt, idempotencyKey],
    ...[action.name, action.version, action.versionId, call.entry, timeoutMs, call.isRepeatable, sealed, timeoutMs],
  ];
}

// By the database's clock, which all nodes share.
const insertSql = `
insert into agent_task (id, tenant_id, agent_id, run_id, step_id, run_attempt, attempt, idempotency_key, action_name, action_version,
  action_version_id, entry, timeout_ms, is_repeatable, sealed_parameters, status, created_at, deadline_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'OFFERED', now(), now() + ?::float8 * interval '1 millisecond')
on conflict (run_id, step_id, run_attempt, attempt) do nothing`;
