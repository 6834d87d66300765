import type { EntityManager } from "@mikro-orm/postgresql";
import { type Issue, ValidationFailure } from "../core/failures.ts";
import { canonicalJson, isJsonObject, type Json, sha256, storableJson } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { turns } from "../core/turns.ts";
import type { ExecutionError } from "../executors/executor.ts";
import { errorIn } from "../scripts/output.ts";
import { createMask } from "../secrets/mask.ts";
import type { Sealer } from "../secrets/seal.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { callingAgent } from "./agent-caller.ts";
import type { AgentTask } from "./entities.ts";
import { lockOwnTask } from "./own-task.ts";
import { openTaskArguments } from "./task-arguments.ts";

export interface AgentAnswer {
  readonly taskId: string;
  /** Of the script; null where it did not end by itself, or never began. */
  readonly exitCode?: number | null | undefined;
  /** What it wrote to stdout, by the contract of local scripts. */
  readonly result?: Json | undefined;
  /** Why there is no exit code: `{code, message}`; `timed_out` and `cancelled` mean what they say. */
  readonly error?: Json | undefined;
}

/**
 * Ends a task with what the agent answers, masked. The first answer counts; the same again is accepted and changes nothing.
 * @returns False where the task has ended otherwise: by its time, a cancel, or another answer. Nothing is changed then.
 * @throws NotFoundFailure; ValidationFailure.
 */
export async function completeAgentTask(ctx: OperationContext, sealer: Sealer, answer: AgentAnswer): Promise<boolean> {
  const agent = callingAgent(ctx);
  const issues = answerIssues(answer);
  if (issues.length > 0) throw new ValidationFailure(issues);
  const hash = hashOf(answer);
  return ctx.em.transactional(async (em) => {
    const task = await lockOwnTask(em, { ...agent, taskId: answer.taskId });
    if (task.finishedAt || task.sealedParameters == null)
      return task.status === "COMPLETED" && task.answerHash === hash;
    const { secrets } = await openTaskArguments(sealer, task, task.sealedParameters);
    const ending = await turns.take(() => endingOf(answer, secrets));
    await write(em, task, { ...ending, hash });
    return true;
  });
}

function answerIssues({ exitCode, error }: AgentAnswer): Issue[] {
  const isStated = isJsonObject(error) && typeof error["code"] === "string" && typeof error["message"] === "string";
  if (error != null && !isStated) {
    return [{ path: "$.error", code: "invalid_error", message: "An error is {code, message}, both texts." }];
  }
  if (exitCode != null || isStated) return [];
  const message = "Say how it ended: the script's exit code, or an error where it has none.";
  return [{ path: "$.exitCode", code: "required", message }];
}

/** Cut short, so that it can't confirm a guess of what the answer holds. */
function hashOf({ taskId, exitCode = null, result = null, error = null }: AgentAnswer): string {
  return sha256(canonicalJson([taskId, exitCode, result, error])).slice(0, 4);
}

interface Ending {
  readonly exitCode: number | null;
  readonly result: Json;
  readonly error: ExecutionError | null;
}

// Masked before the error is read from the result, since what is cut there could be half a secret.
function endingOf(answer: AgentAnswer, secrets: readonly string[]): Ending {
  const { exitCode = null } = answer;
  const mask = createMask(secrets);
  const result = storableJson(mask.json(answer.result ?? null));
  const isTooLarge = Buffer.byteLength(JSON.stringify(result)) > limits.outputBytesMax;
  if (isTooLarge) {
    const message = `The script's result has more than ${limits.outputBytesMax} bytes, which is the most that is kept.`;
    return { exitCode, result: null, error: { code: "output_too_large", message } };
  }
  if (answer.error != null) {
    const otherwise = { code: "agent_error", message: "The agent could not run the script." };
    return { exitCode, result, error: errorIn({ error: storableJson(mask.json(answer.error)) }, otherwise) };
  }
  if (exitCode === 0) return { exitCode, result, error: null };
  const otherwise = { code: "exit_code", message: `The script ended with exit code ${exitCode}.` };
  return { exitCode, result, error: errorIn(result, otherwise) };
}

async function write(
  em: EntityManager,
  { id, tenantId }: AgentTask,
  { exitCode, result, error, hash }: Ending & { readonly hash: string },
): Promise<void> {
  const values = [exitCode, JSON.stringify(result), error && JSON.stringify(error), hash];
  await em.execute(completeSql, [...values, id, tenantId]);
}

// The agent is told of too: it has room for another task now.
const completeSql = `
with done as (
  update agent_task set status = 'COMPLETED', finished_at = now(), sealed_parameters = null, exit_code = ?, result = ?::jsonb,
    error = ?::jsonb, answer_hash = ?
  where id = ? and tenant_id = ? and finished_at is null
  returning id, agent_id
)
select pg_notify('riposte_agent', told::text) from done, unnest(array[id, agent_id]) as told`;
