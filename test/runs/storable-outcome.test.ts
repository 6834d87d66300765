import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { storableOutcome } from "../../src/runs/storable-outcome.ts";

const ofBytes = (bytes: number) => ({ text: "x".repeat(bytes - 11) });

describe("an outcome", () => {
  test("keeps an output up to its own bound", () => {
    const fits = { status: "SUCCEEDED", output: ofBytes(limits.outputBytesMax) } as const;
    expect(storableOutcome(fits, [])).toEqual(fits);
    expect(storableOutcome({ status: "SUCCEEDED", output: ofBytes(limits.outputBytesMax + 1) }, [])).toMatchObject({
      status: "FAILED",
      error: { code: "output_too_large" },
    });
  });

  test("fails when the outputs of the run together are over theirs", () => {
    const others = Array.from({ length: limits.runOutputBytesMax / limits.outputBytesMax }, () =>
      ofBytes(limits.outputBytesMax),
    );
    const outcome = { status: "SUCCEEDED", output: ofBytes(limits.outputBytesMax) } as const;
    expect(storableOutcome(outcome, others.slice(1))).toEqual(outcome);
    expect(storableOutcome(outcome, others)).toMatchObject({ status: "FAILED", error: { code: "output_too_large" } });
  });

  test("that failed keeps its own error without the output", () => {
    const error = { code: "exit_code", message: "It exited with 1." };
    const failed = { status: "FAILED", error, output: ofBytes(limits.outputBytesMax + 1) } as const;
    expect(storableOutcome(failed, [])).toEqual({ status: "FAILED", error });
  });

  test("has nothing in it that PostgreSQL can't store", () => {
    expect(storableOutcome({ status: "SUCCEEDED", output: { "a\u0000": ["\ud800"] } }, [])).toEqual({
      status: "SUCCEEDED",
      output: { "a\ufffd": ["\ufffd"] },
    });
  });
});
