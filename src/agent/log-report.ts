import type { Say } from "./agent-log.ts";
import { bounds } from "./bounds.ts";
import { RequestRefused } from "./link.ts";
import type { TaskTalk } from "./protocol.ts";
import type { LogLine } from "./task.ts";

/** The log of one task on its way to the server: numbered, in order, kept until it is accepted. */
export interface LogReport {
  add(line: LogLine): void;
  /** What is not accepted yet; `from` is the number of the first. */
  unsent(): { readonly from: number; readonly lines: readonly LogLine[] };
  /** Resolves when there is nothing left to send. @throws the signal's reason */
  sent(): Promise<void>;
}

interface Parts {
  readonly talk: TaskTalk;
  readonly say: Say;
  readonly signal: AbortSignal;
}

/** @param start What an earlier life of the agent did not get rid of. */
export function createLogReport(
  taskId: string,
  parts: Parts,
  start: ReturnType<LogReport["unsent"]> = none,
): LogReport {
  const { talk, say, signal } = parts;
  let { from } = start;
  const lines = [...start.lines];
  let bytes = lines.reduce((sum, line) => sum + sizeOf(line), 0);
  let droppedCount = 0;
  let isRefused = false;
  let sending: Promise<void> | undefined;

  function keep(line: LogLine): void {
    lines.push(line);
    bytes += sizeOf(line);
  }

  function add(line: LogLine): void {
    if (isRefused) return;
    if (bytes + sizeOf(line) > bounds.unsentLogBytesMax) {
      droppedCount += 1;
      return;
    }
    tellDropped();
    keep(line);
    send();
  }

  function tellDropped(): void {
    if (droppedCount === 0) return;
    keep({ stream: "SYSTEM", text: `${droppedCount} lines are missing here: the server did not take them in time.` });
    droppedCount = 0;
  }

  function send(): void {
    sending ??= sendAll().finally(() => {
      sending = undefined;
    });
    // Told to whoever waits for it; nobody may.
    sending.catch(() => {});
  }

  async function sendAll(): Promise<void> {
    while (lines.length > 0 && !isRefused) {
      const batch = firstOf(lines);
      if (!(await isTaken(batch))) {
        isRefused = true;
        lines.length = 0;
        return;
      }
      from += batch.length;
      bytes -= lines.splice(0, batch.length).reduce((sum, line) => sum + sizeOf(line), 0);
      if (lines.length === 0) tellDropped();
    }
  }

  async function isTaken(batch: readonly LogLine[]): Promise<boolean> {
    try {
      const answer = await talk.log(taskId, from, batch, signal);
      if (!answer.isDone && answer.code !== "task_ended")
        say(`The log of the task ${taskId} is not taken: ${answer.message}`);
      return answer.isDone;
    } catch (error) {
      if (!(error instanceof RequestRefused)) throw error;
      say(`The log of the task ${taskId} is not taken: ${error.message}`);
      return false;
    }
  }

  return {
    add,
    unsent: () => ({ from, lines: [...lines] }),
    async sent() {
      tellDropped();
      if (lines.length > 0) send();
      await sending;
    },
  };
}

const none = { from: 0, lines: [] };

/** The next lines that go together. */
function firstOf(lines: readonly LogLine[]): readonly LogLine[] {
  let bytes = 0;
  const end = lines.findIndex((line, index) => {
    bytes += sizeOf(line);
    return index > 0 && (bytes > bounds.logBatchBytesMax || index >= bounds.logBatchLinesMax);
  });
  return lines.slice(0, end === -1 ? undefined : end);
}

function sizeOf({ text }: LogLine): number {
  return Buffer.byteLength(text) + 32;
}
