import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ConflictFailure, ValidationFailure } from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import type { Adapter, AdapterResult } from "../../src/live-actions/adapter.ts";
import { dispatchLiveAction } from "../../src/live-actions/dispatch-live-action.ts";
import { LiveActionDispatch } from "../../src/live-actions/entities.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { type Asked, scriptedAdapter } from "./adapters.ts";
import { dispatchWorld, held } from "./dispatch-world.ts";

let database: TestDatabase;
let mine: Tenant;
let theirs: Tenant;
beforeAll(async () => {
  database = await createTestDatabase();
  mine = await makeTenant(database.orm, "mine");
  theirs = await makeTenant(database.orm, "theirs");
});
afterAll(() => database.close());

const token = "s3cret-t0ken";
const credentials = { acme_id: "me", acme_token: token };

/** A world with one adapter, and what it was asked. */
async function withAdapter(fields: Parameters<typeof scriptedAdapter>[0] = {}, more: readonly Adapter[] = []) {
  const asked: Asked[] = [];
  const world = await dispatchWorld(database.orm, [scriptedAdapter({ asked, ...fields }), ...more]);
  return { ...world, asked, calls: () => asked.filter(({ what }) => what === "execute") };
}

describe("a dispatch", () => {
  test("calls the vendor, and keeps who asked for what and what came of it", async () => {
    const { dispatch, row, asked } = await withAdapter();
    const ended = await dispatch(mine, {
      ...{ requestId: "first", vendorId: "acme", caseId: "case-1", requestedBy: "alice" },
      params: { ...credentials, note: "now" },
    });
    const expected = {
      ...{ requestId: "first", capability: "isolate_host", vendorId: "acme", mode: "LIVE", state: "COMPLETED" },
      ...{ target: "host-77", caseId: "case-1", requestedBy: "alice", actorKind: "TOKEN", actorName: "test" },
      ...{ params: { note: "now" }, status: "SUCCEEDED", error: null, summary: "Isolated host-77.", warnings: [] },
      details: { host: "host-77", completion: "confirmed" },
      ...{ sealedCredentials: null, leaseUntil: null, cost: 0 },
    };
    expect(ended).toMatchObject(expected);
    expect(await row(ended.id)).toMatchObject(expected);
    expect(ended.completedAt).toBeInstanceOf(Date);
    expect(asked.map(({ what, ...rest }) => [what, rest])).toEqual([
      ["execute", { request: { requestId: "first", target: "host-77", params: { note: "now" } }, credentials }],
    ]);
  });

  test("makes a request id where none is given", async () => {
    const { dispatch } = await withAdapter();
    const [one, two] = [await dispatch(mine, { params: credentials }), await dispatch(mine, { params: credentials })];
    expect(one.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(two.requestId).not.toBe(one.requestId);
  });

  test("stands in its row as running while the vendor is called", async () => {
    const answer = held<AdapterResult>();
    const { dispatch, calls } = await withAdapter({ answer: () => answer.promise });
    const requestId = newId();
    const ended = dispatch(mine, { requestId, params: credentials });
    await vi.waitUntil(() => calls().length > 0, { timeout: 20_000 });
    const row = await database.orm.em.fork().findOneOrFail(LiveActionDispatch, { requestId });
    expect(row).toMatchObject({ state: "RUNNING", status: null, completedAt: null });
    expect(row.leaseUntil?.getTime()).toBeGreaterThan(Date.now());
    answer.release({ status: "SUCCEEDED", summary: "Done.", details: {}, completion: "accepted" });
    expect((await ended).details).toEqual({ completion: "accepted" });
  });

  test("takes credentials from the tenant's store, of this tenant only, and of this vendor only", async () => {
    const { dispatch, put, calls, opened } = await withAdapter();
    const tenant = await makeTenant(database.orm, newId());
    await put(tenant, { ...credentials, acme_spare: "other-t0ken", okta_api_token: "not for you" });
    await dispatch(tenant, {});
    await dispatch(tenant, { params: { acme_token: { $secret: "acme_spare" } } });
    expect(calls().map((call) => call.credentials)).toEqual([
      credentials,
      { ...credentials, acme_token: "other-t0ken" },
    ]);
    expect(opened).not.toContain("okta_api_token");
    expect((await dispatch(theirs, {})).status).toBe("SIMULATED");
  });

  test("hands no adapter the credentials of another vendor, wherever they come from", async () => {
    const other = scriptedAdapter({
      ...{ vendorId: "other", capability: "get_host" },
      credentials: [{ name: "other_key", isRequired: true, isSecret: true, description: "" }],
    });
    const { dispatch, asked } = await withAdapter({}, [other]);
    await dispatch(mine, { vendorId: "acme", params: { ...credentials, other_key: "of-the-other" } });
    expect(JSON.stringify(asked)).not.toContain("of-the-other");
  });

  test("that lacks credentials, all or some, is simulated, and says which", async () => {
    const { dispatch, calls } = await withAdapter();
    const none = await dispatch(theirs, {});
    expect(none).toMatchObject({
      ...{ status: "SIMULATED", error: null, state: "COMPLETED", cost: 0 },
      details: { host: "host-77", missing_credentials: ["acme_id", "acme_token"] },
    });
    expect(none.summary).toContain("acme_id, acme_token are missing");
    expect((none.details as { note: string }).note).toMatch(/^Simulation mode/);
    const some = await dispatch(theirs, { params: { acme_id: "me" } });
    expect(some.details).toMatchObject({ missing_credentials: ["acme_token"] });
    expect(calls()).toEqual([]);
  });

  test("sends nothing of the store to an address of an operator's own, and says so", async () => {
    const { dispatch, put, calls } = await withAdapter();
    const tenant = await makeTenant(database.orm, newId());
    await put(tenant, credentials);
    const params = { acme_url: "https://evil.example" };
    const ended = await dispatch(tenant, { params });
    expect(ended.status).toBe("SIMULATED");
    expect(ended.summary).toContain("address of the request's own");
    expect(calls()).toEqual([]);
    expect((await dispatch(tenant, { params }, ["admin"])).status).toBe("SUCCEEDED");
  });

  test("of an unknown pair is a result that names who could", async () => {
    const { dispatch, row } = await withAdapter();
    const ended = await dispatch(mine, { vendorId: "nobody", params: { nobody_token: token } });
    expect(ended).toMatchObject({
      ...{ status: "FAILED", error: "executor_not_found", vendorId: "nobody" },
      details: { available_vendors_for_capability: ["acme"] },
    });
    expect(ended.summary).toContain("nobody");
    // Nobody knows which of them are credentials.
    expect((await row(ended.id)).params).toEqual({});
    const unknown = await dispatch(mine, { capability: "make_coffee" });
    expect(unknown).toMatchObject({ error: "executor_not_found", vendorId: null });
    expect(unknown.details).toEqual({ available_vendors_for_capability: [] });
    expect(unknown.warnings).toEqual(["The taxonomy of capabilities has no make_coffee."]);
  });

  test("of a capability outside the taxonomy runs, with a warning", async () => {
    const { dispatch } = await withAdapter({ capability: "make_coffee" });
    const ended = await dispatch(mine, { capability: "make_coffee", params: credentials });
    expect(ended).toMatchObject({ status: "SUCCEEDED", warnings: [expect.stringContaining("make_coffee")] });
  });

  test("that the adapter objects to calls nobody, dry or live", async () => {
    const check: Adapter["check"] = () => ({ error: "invalid_target", message: "No host has this name." });
    const { dispatch, asked } = await withAdapter({ check });
    for (const dryRun of [true, false]) {
      const ended = await dispatch(mine, { dryRun, params: credentials });
      expect(ended).toMatchObject({ status: "FAILED", error: "invalid_target", summary: "No host has this name." });
    }
    expect(asked).toEqual([]);
  });
});

describe("a dry run", () => {
  test("answers the preview, calls nobody and reads no credential, though all are there", async () => {
    const { dispatch, put, asked, opened } = await withAdapter();
    const tenant = await makeTenant(database.orm, newId());
    await put(tenant, credentials);
    const ended = await dispatch(tenant, { dryRun: true, params: { acme_token: token } });
    expect(ended).toMatchObject({ mode: "DRY_RUN", status: "SIMULATED", details: { host: "host-77" }, cost: 0 });
    expect(asked.map(({ what, request }) => [what, request.params])).toEqual([["preview", {}]]);
    expect(opened).toEqual([]);
  });

  test("is one whatever the input says, where it is asked for as such", async () => {
    const { as, ports, calls } = await withAdapter();
    const input = { capability: "isolate_host", target: "h", dryRun: false, params: credentials };
    expect(await dispatchLiveAction(as(mine), ports, input, "DRY_RUN")).toMatchObject({ status: "SIMULATED" });
    expect(calls()).toEqual([]);
  });

  test("does not answer for the same request meant", async () => {
    const { dispatch, calls } = await withAdapter();
    const input = { requestId: newId(), params: credentials };
    expect((await dispatch(mine, { ...input, dryRun: true })).status).toBe("SIMULATED");
    expect((await dispatch(mine, input)).status).toBe("SUCCEEDED");
    expect(calls()).toHaveLength(1);
  });
});

describe("the same request again", () => {
  test("answers the first result and calls nobody, whatever its credentials are by now", async () => {
    const { dispatch, calls } = await withAdapter();
    const input = { requestId: newId(), vendorId: "acme", params: { ...credentials, note: 1 } };
    const first = await dispatch(mine, input);
    const second = await dispatch(mine, { ...input, params: { note: 1, ...credentials, acme_token: "a-new-one" } });
    expect(second).toMatchObject({ id: first.id, status: "SUCCEEDED", summary: first.summary });
    expect(calls()).toHaveLength(1);
  });

  test.each<[string, object]>([
    ["another target", { target: "host-78" }],
    ["another vendor", { vendorId: "acme" }],
    ["other params", { params: { ...credentials, note: 2 } }],
    ["another case", { caseId: "case-2" }],
    ["somebody else", { requestedBy: "mallory" }],
    ["another address", { params: { ...credentials, acme_url: "https://elsewhere.example" } }],
    ["another secret", { params: { ...credentials, acme_token: { $secret: "other" } } }],
  ])("with %s is a conflict", async (_what, change) => {
    const { dispatch } = await withAdapter();
    const input = { requestId: newId(), params: credentials };
    await dispatch(mine, input);
    await expect(dispatch(mine, { ...input, ...change })).rejects.toThrow(ConflictFailure);
  });

  test("is another request in another tenant", async () => {
    const { dispatch, calls } = await withAdapter();
    const input = { requestId: newId(), params: credentials };
    const [first, second] = [await dispatch(mine, input), await dispatch(theirs, input)];
    expect(second.id).not.toBe(first.id);
    expect(calls()).toHaveLength(2);
  });

  test("at the same time makes one call, whose result all of them answer, on every node", async () => {
    const answer = held<AdapterResult>();
    const asked: Asked[] = [];
    const adapter = scriptedAdapter({ asked, answer: () => answer.promise });
    const nodes = [await dispatchWorld(database.orm, [adapter]), await dispatchWorld(database.orm, [adapter])];
    const input = { requestId: newId(), params: credentials };
    const all = Array.from({ length: 20 }, (_, index) => nodes[index % 2]!.dispatch(mine, input));
    await vi.waitUntil(() => asked.length > 0, { timeout: 20_000 });
    answer.release({ status: "SUCCEEDED", summary: "Once.", details: {} });
    const ended = await Promise.all(all);
    expect(new Set(ended.map(({ id, status, summary }) => `${id} ${status} ${summary}`)).size).toBe(1);
    expect(asked).toHaveLength(1);
  });
});

describe("a request that can't be one", () => {
  test("is refused with every problem at once, and nothing is written", async () => {
    const { dispatch } = await withAdapter();
    const count = () => database.orm.em.fork().count(LiveActionDispatch, {});
    const before = await count();
    const refusal = dispatch(mine, {
      ...{ requestId: "", capability: "x".repeat(129), vendorId: "a\u0000", target: "\ud800", caseId: " " },
      ...{ requestedBy: "x".repeat(256), params: [] },
    });
    await expect(refusal).rejects.toThrow(ValidationFailure);
    await expect(refusal).rejects.toMatchObject({
      issues: ["requestId", "capability", "vendorId", "target", "caseId", "requestedBy", "params"].map((name) => ({
        path: `$.${name}`,
      })),
    });
    expect(await count()).toBe(before);
  });

  test.each([
    ["too large", { text: "x".repeat(limits.contextBytesMax) }],
    ["too_deep", JSON.parse(`${'{"a":'.repeat(70)}1${"}".repeat(70)}`)],
    ["wrong_type", { acme_token: 7 }],
  ])("is refused for params that are %s", async (_code, params) => {
    const { dispatch } = await withAdapter();
    await expect(dispatch(mine, { params })).rejects.toThrow(ValidationFailure);
  });
});
