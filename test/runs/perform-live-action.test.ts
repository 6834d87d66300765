import { describe, expect, test } from "vitest";
import { ConflictFailure } from "../../src/core/failures.ts";
import { limits } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import type { LiveActionDispatch } from "../../src/live-actions/entities.ts";
import type { StepDispatches, StepRequest } from "../../src/live-actions/step-dispatches.ts";
import { performLiveAction } from "../../src/runs/perform-live-action.ts";
import type { Conversation, StepPorts, StepStart } from "../../src/runs/step-ports.ts";
import { liveActionStep } from "./walk-driver.ts";

type Answer = Partial<LiveActionDispatch> | Error;

/** What a step comes to whose dispatches answer one after the other, the last of them for good. */
async function performed(answers: readonly Answer[], rest: { readonly isLost?: true; isRepeatable?: true } = {}) {
  const ids: string[] = [];
  const lost = new AbortController();
  const dispatch: StepDispatches["dispatch"] = async ({ requestId }) => {
    const answer = answers[Math.min(ids.length, answers.length - 1)]!;
    ids.push(requestId);
    if (rest.isLost) lost.abort();
    if (answer instanceof Error) throw answer;
    const ended = { id: "d", state: "COMPLETED", summary: "So.", details: {}, vendorId: "acme", warnings: [] };
    return { ...ended, error: null, requestId, ...answer } as unknown as LiveActionDispatch;
  };
  const liveActions = {
    dispatch,
    find: async () => undefined,
    isRepeatable: () => rest.isRepeatable === true,
  } as unknown as StepDispatches;
  const ports = { liveActions, log: silentLog, now: () => 0 } as unknown as StepPorts;
  const start = { run: { id: "r" }, stepId: "a", outputs: () => [] } as unknown as StepStart;
  const request = { requestId: "r:a:1:1" } as StepRequest;
  const conversation: Conversation = {
    ...{ signal: lost.signal, lost: lost.signal, onLog: () => undefined },
    inSlot: (task) => task(),
  };
  const outcome = await performLiveAction(
    ports,
    { start, step: liveActionStep("a"), request, isAgain: false },
    conversation,
  );
  return { outcome, ids };
}

const done = { status: "SUCCEEDED" } as const;

describe("a live action of a step", () => {
  test("is asked for again, as the same, while the database is away", async () => {
    const { outcome, ids } = await performed([new Error("connection refused"), done]);
    expect(outcome).toMatchObject({ status: "SUCCEEDED" });
    expect(ids).toEqual(["r:a:1:1", "r:a:1:1"]);
  });

  test("is dispatched anew where its node stopped before it called the vendor, but not for ever", async () => {
    const stopped = { status: "FAILED", error: "server_stopping" } as const;
    expect(await performed([stopped, done])).toMatchObject({
      outcome: { status: "SUCCEEDED", output: { requestId: "r:a:1:1:again1" } },
      ids: ["r:a:1:1", "r:a:1:1:again1"],
    });
    const { outcome, ids } = await performed([stopped]);
    expect(outcome).toMatchObject({ status: "FAILED", error: { code: "server_stopping" } });
    expect(ids).toHaveLength(limits.interruptionsMax + 1);
  });

  test("fails for good where the request contradicts an earlier one", async () => {
    const { outcome } = await performed([new ConflictFailure("request_conflict", "It was used.")]);
    expect(outcome).toEqual({
      ...{ status: "FAILED", error: { code: "request_conflict", message: "It was used." }, isFinal: true },
    });
  });

  test("that took effect is no failure for the size of its details, and hands on its warnings", async () => {
    const details = { text: "x".repeat(limits.outputBytesMax) };
    const { outcome } = await performed([{ ...done, details, warnings: ["Odd."] }]);
    expect(outcome).toMatchObject({
      ...{ status: "SUCCEEDED", warnings: ["Odd."], output: { summary: "So.", details: { is_truncated: true } } },
    });
  });

  test.each(["vendor_timeout", "connection_failed", "invalid_answer", "plugin_ended", "plugin_answer_invalid"])(
    "that ends as %s is not tried again where doing it twice is not doing it once, and says so",
    async (error) => {
      const answer = { status: "FAILED", error, mode: "LIVE" } as const;
      const message = "So. It is not tried again, since nobody knows whether it took effect: a person has to look.";
      const { outcome } = await performed([answer]);
      expect(outcome).toMatchObject({ status: "FAILED", error: { code: error, message }, isFinal: true });
      const asBefore = { error: { code: error, message: "So." } };
      const repeated = (await performed([answer], { isRepeatable: true })).outcome;
      expect(repeated).toMatchObject(asBefore);
      expect(repeated).not.toHaveProperty("isFinal");
      expect((await performed([{ ...answer, mode: "DRY_RUN" }])).outcome).toMatchObject(asBefore);
    },
  );

  test.each(["vendor_error", "target_not_found", "connection_refused", "quota_exceeded"])(
    "that ends as %s may be tried again: the vendor said so, or was not asked",
    async (error) => {
      const { outcome } = await performed([{ status: "FAILED", error, mode: "LIVE" }]);
      expect(outcome).toMatchObject({ error: { code: error, message: "So." } });
      expect(outcome).not.toHaveProperty("isFinal");
    },
  );

  test.each([500, 502, 504, 200])(
    "that the vendor answered with %i, in the middle of it maybe, is not either",
    async (code) => {
      const answer = { status: "FAILED", error: "vendor_error", mode: "LIVE", details: { status: code } } as const;
      const { outcome } = await performed([answer]);
      expect(outcome).toMatchObject({ error: { code: "effect_unknown" }, isFinal: true });
      const repeated = (await performed([answer], { isRepeatable: true })).outcome;
      expect(repeated).toMatchObject({ error: { code: "vendor_error" } });
      expect(repeated).not.toHaveProperty("isFinal");
    },
  );

  test.each([400, 403, 404, 409, 429, 503])("that the vendor refused with %i may be tried again", async (code) => {
    const answer = { status: "FAILED", error: "vendor_error", mode: "LIVE", details: { status: code } } as const;
    const { outcome } = await performed([answer]);
    expect(outcome).toMatchObject({ error: { code: "vendor_error", message: "So." } });
    expect(outcome).not.toHaveProperty("isFinal");
  });

  test("is not waited for by a node that gives its run up", async () => {
    expect(await performed([new Error("connection refused")], { isLost: true })).toEqual({
      outcome: { status: "CANCELLED" },
      ids: ["r:a:1:1"],
    });
  });
});
