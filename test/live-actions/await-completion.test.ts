import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { awaitCompletion } from "../../src/live-actions/await-completion.ts";
import type { VendorHttp } from "../../src/live-actions/vendor-http.ts";

/** A client that waits for nothing, and counts for how long it would have. */
function patient() {
  const waited = { ms: 0 };
  const never = () => Promise.reject(new Error("nobody is called"));
  const http: VendorHttp = {
    ...{ send: never, call: never, callWithToken: never, excerpt: (text: string) => text },
    sleep: async (ms) => {
      waited.ms += ms;
    },
  };
  return { http, waited };
}

describe("what a vendor completes later", () => {
  test("is looked at at once, and again until it is over", async () => {
    const { http, waited } = patient();
    const states = ["pending", "pending", "done", "never read"];
    const read = async () => states.shift()!;
    const completion = await awaitCompletion(http, read, { isOver: (state) => state === "done" });
    expect(completion).toEqual({ last: "done", isOver: true, warnings: [] });
    expect(waited.ms).toBe(2 * limits.vendorPollMs);
    expect(states).toEqual(["never read"]);
  });

  test.each([limits.vendorCompletionMs, limits.rtrUploadMs])("is waited for at most %i ms", async (boundMs) => {
    const { http, waited } = patient();
    const completion = await awaitCompletion(http, async () => "pending", { isOver: () => false, boundMs });
    expect(completion).toEqual({ last: "pending", isOver: false, warnings: [] });
    expect(waited.ms).toBeGreaterThan(boundMs - limits.vendorPollMs);
    expect(waited.ms).toBeLessThanOrEqual(boundMs);
  });

  test("is not undone by a question that went wrong", async () => {
    const { http } = patient();
    const answers = [async () => "pending", () => Promise.reject(new Error("no answer"))];
    const completion = await awaitCompletion(http, () => answers.shift()!(), { isOver: () => false });
    expect(completion).toEqual({
      last: "pending",
      isOver: false,
      warnings: ["The vendor could not be asked how it went: no answer"],
    });
  });
});
