import { describe, expect, test } from "vitest";
import { fromRow, type RunEvent, type StepStatusFact, toRow } from "../../src/runs/events.ts";
import { fold, unstarted } from "../../src/runs/fold.ts";

describe("the events of a run", () => {
  const at = { at: 5, runAttempt: 1 };

  test("survive their rows, those without a fact's options included", () => {
    const events: RunEvent[] = [
      { ...at, sequence: 1, type: "RUN_STATUS", status: "QUEUED" },
      { ...at, sequence: 2, type: "LOG", stepId: "a", attempt: 2, stream: "STDERR", text: "line" },
      { ...at, sequence: 3, type: "NOTICE", code: "log_truncated", message: "m", stepId: "a" },
      { ...at, sequence: 4, type: "NOTICE", code: "cancel_requested", message: "m" },
      { ...at, sequence: 5, type: "STEP_STATUS", stepId: "a", attempt: 1, status: "WAITING", retryAt: 77 },
      { ...at, sequence: 6, type: "STEP_STATUS", stepId: "d", attempt: 1, status: "WAITING", until: 99 },
      {
        ...{ ...at, sequence: 7, type: "STEP_STATUS", stepId: "ask", attempt: 1, status: "WAITING" },
        approval: { id: "i", expiresAt: 50, bound: { b: { actionRef: "b@1.0.0", parameters: { ip: "10.0.0.1" } } } },
      },
      { ...at, sequence: 8, type: "STEP_STATUS", stepId: "b", attempt: 3, status: "SUCCEEDED", isTakenOver: true },
    ];
    expect(events.map((event) => fromRow(JSON.parse(JSON.stringify(toRow(event)))))).toEqual(events);
  });

  test("keep the input of a try beside its outcome, and the warnings of both", () => {
    const step = { ...at, type: "STEP_STATUS", stepId: "a", attempt: 1 } as const;
    const events: RunEvent[] = [
      { ...step, sequence: 1, status: "RUNNING", input: { ip: "10.0.0.1" }, warnings: ["one"], actionVersionId: "v" },
      { ...step, sequence: 2, at: 9, status: "SUCCEEDED", output: null, warnings: ["two"] },
    ];
    expect(events.reduce(fold, unstarted).steps.get("a")).toEqual({
      ...{
        stepId: "a",
        attempt: 1,
        status: "SUCCEEDED",
        firstAttempt: 1,
        interruptions: 0,
        startedAt: 5,
        finishedAt: 9,
      },
      ...{ input: { ip: "10.0.0.1" }, output: null, warnings: ["one", "two"], actionVersionId: "v" },
    });
  });

  test("of an earlier attempt of the run say nothing of its steps any more", () => {
    const events: RunEvent[] = [
      { ...at, sequence: 1, type: "RUN_STATUS", status: "RUNNING" },
      { ...at, sequence: 2, type: "STEP_STATUS", stepId: "a", attempt: 1, status: "FAILED" },
      { ...at, sequence: 3, runAttempt: 2, type: "RUN_STATUS", status: "RUNNING" },
    ];
    expect(events.reduce(fold, unstarted)).toMatchObject({ runAttempt: 2, startedAt: 5, steps: new Map() });
  });
});

describe("a step, as its events tell", () => {
  const stateAfter = (...facts: readonly Omit<StepStatusFact, "type">[]) =>
    facts
      .map((fact, index): RunEvent => {
        return { type: "STEP_STATUS", ...fact, sequence: index + 1, at: 10 * (index + 1), runAttempt: 1 };
      })
      .reduce(fold, unstarted)
      .steps.get(facts[0]?.stepId ?? "");
  const a = { stepId: "a", attempt: 1 } as const;
  const error = { code: "exit_code", message: "It broke." };

  test("keeps what the last try came to while it waits for the next", () => {
    const waiting = stateAfter(
      { ...a, status: "RUNNING" },
      { ...a, status: "FAILED", error },
      { ...a, attempt: 2, status: "WAITING", retryAt: 99 },
    );
    expect(waiting).toMatchObject({ attempt: 2, firstAttempt: 1, startedAt: 10, error, retryAt: 99 });
    expect(waiting?.finishedAt).toBeUndefined();
  });

  test("begins a new round where it starts after an outcome and no wait, and knows nothing of the last", () => {
    const again = stateAfter(
      { ...a, status: "RUNNING", input: 1, warnings: ["old"], retry: { maxAttempts: 3, backoffMs: 1 } },
      { ...a, status: "FAILED", error },
      { ...a, attempt: 2, status: "SKIPPED", warnings: ["new"] },
    );
    expect(again).toEqual({
      ...{ stepId: "a", attempt: 2, firstAttempt: 2, interruptions: 0, status: "SKIPPED", warnings: ["new"] },
      ...{ startedAt: 30, finishedAt: 30 },
    });
  });

  test("waits for a delay from its beginning, and not for a retry", () => {
    expect(stateAfter({ ...a, status: "WAITING", until: 70 })).toMatchObject({ startedAt: 10, until: 70 });
  });

  test("remembers after the decision which request it was, and what that bound", () => {
    const bound = { b: { actionRef: "b@1.0.0" } };
    const approval = { id: "i", expiresAt: 90, bound };
    const decided = stateAfter({ ...a, status: "WAITING", approval }, { ...a, status: "SUCCEEDED", output: {} });
    expect(decided).toMatchObject({ approvalId: "i", bound, finishedAt: 20 });
    expect(decided?.expiresAt).toBeUndefined();
  });

  test.each(["FAILED", "WAITING", "RUNNING"] as const)("hears nothing of an earlier try: %s", (status) => {
    const running = { ...a, attempt: 2, status: "RUNNING" } as const;
    expect(stateAfter(running, { ...a, status, retryAt: 7 })).toEqual(stateAfter(running));
  });

  test("of a parallel kind whose time is over is closed until its next try", () => {
    const facts: RunEvent[] = [
      { type: "STEP_STATUS", ...a, status: "RUNNING", sequence: 1, at: 10, runAttempt: 1 },
      { type: "NOTICE", stepId: "a", code: "step_timed_out", message: "Over.", sequence: 2, at: 20, runAttempt: 1 },
      { type: "STEP_STATUS", ...a, status: "TIMED_OUT", sequence: 3, at: 30, runAttempt: 1 },
      { type: "STEP_STATUS", ...a, attempt: 2, status: "WAITING", retryAt: 50, sequence: 4, at: 40, runAttempt: 1 },
      { type: "STEP_STATUS", ...a, attempt: 2, status: "RUNNING", sequence: 5, at: 50, runAttempt: 1 },
    ];
    const isClosed = facts.map(
      (_, last) =>
        facts
          .slice(0, last + 1)
          .reduce(fold, unstarted)
          .steps.get("a")?.closing,
    );
    expect(isClosed.map((closing) => closing?.code)).toEqual([
      ...[undefined, "timed_out", "timed_out", "timed_out", undefined],
    ]);
  });

  test("is not interrupted when nothing was under way of it", () => {
    const notice = { type: "NOTICE", stepId: "a", code: "step_interrupted", message: "m" } as const;
    const ended: RunEvent = { type: "STEP_STATUS", ...a, status: "SUCCEEDED", sequence: 1, at: 10, runAttempt: 1 };
    const after = fold(fold(unstarted, ended), { ...notice, sequence: 2, at: 20, runAttempt: 1 });
    expect(after.steps.get("a")).toMatchObject({ status: "SUCCEEDED", interruptions: 0 });
  });
});
