import { describe, expect, test } from "vitest";
import { bounds } from "../../src/agent/bounds.ts";
import { RequestRefused } from "../../src/agent/link.ts";
import { createLogReport, type LogReport } from "../../src/agent/log-report.ts";
import type { Answered } from "../../src/agent/protocol.ts";
import type { LogLine } from "../../src/agent/task.ts";

const line = (text: string): LogLine => ({ stream: "STDERR", text });
const taken: Answered<unknown> = { isDone: true, payload: {} };

/** A report to a server that answers each batch when the test says so. */
function reporting(start?: ReturnType<LogReport["unsent"]>) {
  const batches: { from: number; lines: readonly LogLine[]; answer(how: Answered<unknown> | Error): void }[] = [];
  const said: string[] = [];
  const stopping = new AbortController();
  const talk = {
    log: (_taskId: string, from: number, lines: readonly LogLine[]) =>
      new Promise<Answered<unknown>>((resolve, reject) => {
        batches.push({ from, lines, answer: (how) => (how instanceof Error ? reject(how) : resolve(how)) });
      }),
    renew: () => Promise.reject(new Error("not asked")),
    complete: () => Promise.reject(new Error("not asked")),
  };
  const parts = { talk, say: (text: string) => void said.push(text), signal: stopping.signal };
  return { batches, said, report: createLogReport("task", parts, start) };
}

describe("the log of a task", () => {
  test("sends the first line at once, and what came meanwhile together", async () => {
    const { report, batches } = reporting();
    for (const text of ["a", "b", "c"]) report.add(line(text));
    expect(batches).toMatchObject([{ from: 0, lines: [line("a")] }]);
    batches[0]!.answer(taken);
    await expect.poll(() => batches[1]).toMatchObject({ from: 1, lines: [line("b"), line("c")] });
    expect(report.unsent()).toEqual({ from: 1, lines: [line("b"), line("c")] });
    const sent = report.sent();
    batches[1]!.answer(taken);
    await sent;
    expect(report.unsent()).toEqual({ from: 3, lines: [] });
  });

  test("goes on where an earlier life of the agent was, in batches within their bounds", async () => {
    const many = Array.from({ length: bounds.logBatchLinesMax + 1 }, (_each, n) => line(String(n)));
    const large = [line("x".repeat(bounds.logBatchBytesMax)), line("y")];
    const { report, batches } = reporting({ from: 7, lines: [...many, ...large] });
    const sent = report.sent();
    for (let next = 0; next < 4; next++) {
      await expect.poll(() => batches.length).toBe(next + 1);
      batches[next]!.answer(taken);
    }
    await sent;
    expect(batches.map(({ from, lines }) => [from, lines.length])).toEqual([
      [7, 200],
      [207, 1],
      [208, 1],
      [209, 1],
    ]);
  });

  test("keeps so many bytes and no more while the server takes nothing, and says how many lines are missing", async () => {
    const { report, batches } = reporting();
    const text = "x".repeat(8_000);
    const fitting = Math.floor(bounds.unsentLogBytesMax / (text.length + 32));
    for (let n = 0; n < fitting + 5; n++) report.add(line(text));
    expect(report.unsent().lines).toHaveLength(fitting);
    const sent = report.sent();
    for (let next = 0; report.unsent().lines.length > 0; next++) {
      await expect.poll(() => batches.length).toBeGreaterThan(next);
      batches[next]!.answer(taken);
      await new Promise(setImmediate);
    }
    await sent;
    expect(batches.flatMap(({ lines }) => lines).at(-1)).toEqual({
      stream: "SYSTEM",
      text: "5 lines are missing here: the server did not take them in time.",
    });
  });

  test.each([
    ["has ended the task", { isDone: false, type: "StateFailure", code: "task_ended", message: "Ended." } as const, 0],
    ["misses lines", { isDone: false, type: "StateFailure", code: "lines_missing", message: "Missing." } as const, 1],
    ["refuses it", new RequestRefused("Too long."), 1],
  ])("is given up where the server %s", async (_name, how, saidCount) => {
    const { report, batches, said } = reporting();
    report.add(line("a"));
    const sent = report.sent();
    batches[0]!.answer(how);
    await sent;
    report.add(line("b"));
    expect([batches.length, report.unsent().lines, said.length]).toEqual([1, [], saidCount]);
  });
});
