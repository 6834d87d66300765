import type { Say } from "./agent-log.ts";
import { RequestRefused } from "./link.ts";
import type { LogReport } from "./log-report.ts";
import type { TaskTalk } from "./protocol.ts";
import type { Completion } from "./task.ts";
import type { TaskRecords } from "./task-records.ts";

interface Delivery {
  readonly talk: TaskTalk;
  readonly records: TaskRecords;
  readonly say: Say;
  readonly report: LogReport;
  readonly signal: AbortSignal;
}

/**
 * Tells the server how a task ended, its log before that, for as long as it takes; then the task is closed. A result that the server refuses is
 * replaced by an error that says so.
 * @throws the signal's reason; the answer stays on disk then.
 */
export async function deliverAnswer(taskId: string, completion: Completion, delivery: Delivery): Promise<void> {
  const { records, say, report } = delivery;
  await report.sent();
  const refusal = await complete(taskId, completion, delivery);
  if (refusal !== undefined) {
    say(`The result of the task ${taskId} is refused: ${refusal}`);
    const error = {
      code: "result_refused",
      message: "The server does not take the script's result; see the agent's log.",
    };
    await complete(taskId, { error }, delivery);
  }
  await records.close(taskId);
}

/** @returns Why the server does not take this answer, though it might take another. */
async function complete(taskId: string, completion: Completion, delivery: Delivery): Promise<string | undefined> {
  const { talk, say, signal } = delivery;
  try {
    const answer = await talk.complete(taskId, completion, signal);
    if (answer.isDone) {
      const { accepted } = answer.payload;
      say(`The task ${taskId} is answered${accepted ? "" : ", but it had ended otherwise before"}.`);
      return undefined;
    }
    if (answer.type === "ValidationFailure") return answer.message;
    say(`The answer of the task ${taskId} is not wanted any more: ${answer.message}`);
    return undefined;
  } catch (error) {
    if (error instanceof RequestRefused) return error.message;
    throw error;
  }
}
