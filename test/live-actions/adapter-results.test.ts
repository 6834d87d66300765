import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { EgressRefused } from "../../src/executors/egress.ts";
import type { Adapter, AdapterResult } from "../../src/live-actions/adapter.ts";
import { VendorError, VendorUnreachable } from "../../src/live-actions/vendor-http.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { scriptedAdapter } from "./adapters.ts";
import { dispatchWorld } from "./dispatch-world.ts";

let database: TestDatabase;
let mine: Tenant;
beforeAll(async () => {
  database = await createTestDatabase();
  mine = await makeTenant(database.orm, "mine");
});
afterAll(() => database.close());

const token = "s3cret-t0ken";
const credentials = { acme_id: "me", acme_token: token };

const withAdapter = (fields: Parameters<typeof scriptedAdapter>[0]) =>
  dispatchWorld(database.orm, [scriptedAdapter(fields)]);

describe("what an adapter throws or answers", () => {
  class OddFailure extends Error {
    override readonly name = "OddFailure";
  }

  test.each<[string, unknown, string]>([
    ["a vendor's refusal", new VendorError(`No: ${token}`, 403, { said: token }), "vendor_error"],
    ["a refusal of the egress policy", new EgressRefused("Not there."), "egress_refused"],
    [
      "an error with a stable code",
      new VendorUnreachable("connection_refused", "Nobody is there."),
      "connection_refused",
    ],
    ["an error with a code of the system", Object.assign(new Error("No."), { code: "ECONNRESET" }), "Error"],
    ["a bug", new TypeError(`x is ${token}`), "TypeError"],
    ["an error of its own class", new OddFailure("odd"), "OddFailure"],
    ["what is no error", "just a text", "Error"],
  ])("%s is a failed result without a secret", async (_what, thrown, error) => {
    const { dispatch } = await withAdapter({ answer: () => Promise.reject(thrown) });
    const ended = await dispatch(mine, { params: credentials });
    expect(ended).toMatchObject({ status: "FAILED", error, state: "COMPLETED" });
    expect(ended.details).toHaveProperty("message");
    expect(JSON.stringify(ended)).not.toContain(token);
  });

  test("is a failed result when it throws at once, or in its preview", async () => {
    const thrower = () => {
      throw new RangeError("at once");
    };
    const { dispatch } = await withAdapter({ execute: thrower, preview: thrower });
    expect((await dispatch(mine, { params: credentials })).error).toBe("RangeError");
    expect((await dispatch(mine, { dryRun: true })).error).toBe("RangeError");
  });

  test("comes too late after its time, whether it lets go or not", async () => {
    let reason: unknown;
    const answer: Adapter["execute"] = ({ signal }) => {
      signal.addEventListener("abort", () => {
        reason ??= signal.reason;
      });
      return new Promise(() => undefined);
    };
    const { dispatch } = await withAdapter({ timeoutMs: 30, answer });
    const ended = await dispatch(mine, { params: credentials });
    expect(ended).toMatchObject({ status: "FAILED", error: "vendor_timeout" });
    expect(ended.summary).toContain("unknown");
    expect(reason).toMatchObject({ name: "VendorTimeout" });
  });

  test.each([
    [undefined],
    [{}],
    [{ status: "MAYBE", summary: "?", details: {} }],
    [{ status: "SUCCEEDED", summary: "x" }],
  ])("%j is no result", async (answer) => {
    const { dispatch } = await withAdapter({ answer: async () => answer as unknown as AdapterResult });
    expect(await dispatch(mine, { params: credentials })).toMatchObject({ status: "FAILED", error: "invalid_answer" });
  });

  test("holds no credential, in whatever form, nor what can't be stored, and is bounded", async () => {
    const answer = async (): Promise<AdapterResult> => ({
      status: "SUCCEEDED",
      summary: `Isolated\nwith ${token}\u0000`,
      details: { plain: token, encoded: Buffer.from(token).toString("base64"), [token]: "key", nul: "a\u0000b" },
      warnings: [`used ${token}`],
    });
    const { dispatch } = await withAdapter({ answer });
    const ended = await dispatch(mine, { params: credentials, target: `host ${token}` });
    expect(JSON.stringify(ended)).not.toContain(token);
    expect(JSON.stringify(ended)).not.toContain(Buffer.from(token).toString("base64"));
    expect(ended.summary).toBe("Isolated with ***\uFFFD");
    expect(ended.target).toBe("host ***");
  });

  test("that is too large is cut, and how it ended is kept", async () => {
    const details = { text: "x".repeat(limits.outputBytesMax) };
    const { dispatch } = await withAdapter({
      answer: async () => ({ status: "SUCCEEDED", summary: "Done.", details }),
    });
    const ended = await dispatch(mine, { params: credentials });
    expect(ended).toMatchObject({ status: "SUCCEEDED", details: { is_truncated: true, completion: "confirmed" } });
    expect(ended.warnings).toEqual([expect.stringContaining("at most")]);
  });

  test("that is nested deeper than anybody reads is cut too, of a refusal as well", async () => {
    let deep: Json = 1;
    for (let depth = 0; depth < 100_000; depth += 1) deep = { deep };
    const done = { status: "SUCCEEDED", summary: "Done.", details: { deep } } as const;
    const succeeding = await withAdapter({ answer: async () => done });
    expect(await succeeding.dispatch(mine, { params: credentials })).toMatchObject({
      ...{ status: "SUCCEEDED", details: { is_truncated: true, completion: "confirmed" } },
    });
    const refusing = await withAdapter({ answer: () => Promise.reject(new VendorError("No.", 400, deep)) });
    const refused = await refusing.dispatch(mine, { params: credentials });
    expect(refused).toMatchObject({ error: "vendor_error", details: { is_truncated: true } });
  });
});
