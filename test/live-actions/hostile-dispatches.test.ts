import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ValidationFailure } from "../../src/core/failures.ts";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import type { Adapter, AdapterCall, AdapterResult } from "../../src/live-actions/adapter.ts";
import { Performer } from "../../src/live-actions/performer.ts";
import type { VendorHttp } from "../../src/live-actions/vendor-http.ts";
import { Secret } from "../../src/secrets/entities.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { type Asked, scriptedAdapter } from "./adapters.ts";
import { dispatchWorld, held } from "./dispatch-world.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const token = "s3cret-t0ken";
const credentials = { acme_id: "me", acme_token: token };
const treasure = "the-password-of-another-system";

async function withAdapter(fields: Parameters<typeof scriptedAdapter>[0] = {}, more: readonly Adapter[] = []) {
  const asked: Asked[] = [];
  const world = await dispatchWorld(database.orm, [scriptedAdapter({ asked, ...fields }), ...more]);
  const tenant = await makeTenant(database.orm, newId());
  await world.put(tenant, { ...credentials, treasure });
  return { ...world, asked, tenant, calls: () => asked.filter(({ what }) => what === "execute") };
}

const tell = ({ credentials: own }: AdapterCall): Promise<AdapterResult> =>
  Promise.resolve({ status: "FAILED", error: "not_found", summary: `No ${own["acme_id"]}.`, details: { ...own } });

describe("a reference to a secret", () => {
  test("is shown in no result, also where the parameter is no secret by itself", async () => {
    const { dispatch, tenant, row, calls } = await withAdapter({ answer: tell });
    const ended = await dispatch(tenant, { params: { acme_id: { $secret: "treasure" } } });
    expect(calls()[0]?.credentials).toMatchObject({ acme_id: treasure });
    expect(ended).toMatchObject({ summary: "No ***.", details: { acme_id: "***" } });
    expect(JSON.stringify(await row(ended.id))).not.toContain(treasure);
  });

  test("reaches no account of an operator's own as what is no secret there", async () => {
    const { dispatch, tenant, calls } = await withAdapter();
    const params = { acme_id: { $secret: "treasure" }, acme_token: "of-my-own-account" };
    const ended = await dispatch(tenant, { params });
    expect(ended).toMatchObject({ status: "SIMULATED", details: { missing_credentials: ["acme_id"] } });
    expect(ended.summary).toContain("nor to its own account");
    expect(calls()).toEqual([]);
    // Who may read and write secrets may do so.
    expect((await dispatch(tenant, { params }, ["admin"])).status).toBe("SUCCEEDED");
  });

  test("is refused where the secret is another vendor's credential", async () => {
    const other = scriptedAdapter({
      ...{ vendorId: "other", capability: "get_host" },
      credentials: [{ name: "other_key", isRequired: true, isSecret: true, description: "" }],
    });
    const { dispatch, put, tenant, calls } = await withAdapter({}, [other]);
    await put(tenant, { other_key: "of-the-other" });
    const refusal = dispatch(tenant, { vendorId: "acme", params: { acme_token: { $secret: "other_key" } } });
    await expect(refusal).rejects.toThrow(ValidationFailure);
    await expect(refusal).rejects.toMatchObject({
      issues: [{ path: "$.params.acme_token", code: "foreign_credential" }],
    });
    expect(calls()).toEqual([]);
  });
});

test("a credential that stands within another param is not kept, nor shown", async () => {
  const echo = async ({ params }: AdapterCall): Promise<AdapterResult> => ({
    ...{ status: "SUCCEEDED", summary: `With ${JSON.stringify(params)}.`, details: params },
  });
  const { dispatch, tenant, row } = await withAdapter({ answer: echo });
  const params = { auth: [{ acme_token: "misplaced-t0ken", user: "me" }] };
  const ended = await dispatch(tenant, { params });
  expect(ended.params).toEqual({ auth: [{ acme_token: "***", user: "me" }] });
  expect(JSON.stringify([ended, await row(ended.id)])).not.toContain("misplaced-t0ken");
});

describe("what an adapter says", () => {
  test("holds no secret in its code either", async () => {
    const answer = async ({ credentials: own }: AdapterCall): Promise<AdapterResult> => ({
      ...{ status: "FAILED", error: `bad token ${own["acme_token"]}`, summary: "No.", details: {} },
    });
    const { dispatch, tenant } = await withAdapter({ answer });
    expect((await dispatch(tenant, {})).error).toBe("bad token ***");
  });

  test("is without secrets where it is too large to be kept, too", async () => {
    const answer = async ({ credentials: own }: AdapterCall): Promise<AdapterResult> => ({
      ...{ status: "FAILED", error: "no", summary: "No." },
      details: { completion: `${own["acme_token"]}`, text: "x".repeat(limits.outputBytesMax) },
    });
    const { dispatch, tenant } = await withAdapter({ answer });
    const { details } = await dispatch(tenant, {});
    expect(JSON.stringify(details)).not.toContain(token);
    expect(details).toMatchObject({ is_truncated: true });
  });

  test("of a call whose secret was taken away meanwhile can be kept, whatever it is", async () => {
    const preview = () => ({ odd: "a\u0000b" });
    const { dispatch, tenant, ports } = await withAdapter({ preview });
    const take = vi.spyOn(ports.performer, "perform").mockImplementationOnce(async (performance) => {
      await database.orm.em.fork().nativeDelete(Secret, { tenantId: tenant.id });
      // Read from the store, as it is where the call comes later: after an approval, say.
      return ports.performer.perform({ ...performance, sealedSecrets: undefined });
    });
    const ended = await dispatch(tenant, {});
    expect(take).toHaveBeenCalled();
    expect(ended).toMatchObject({ status: "SIMULATED", details: { missing_credentials: ["acme_id", "acme_token"] } });
  });
});

describe("a dispatch can be written down", () => {
  test.each<[string, string]>([
    ["half of a surrogate pair", "long-enough\ud83d"],
    ["U+0000", "long-enough\u0000"],
  ])("unless a credential of it holds %s: it is refused", async (_what, text) => {
    const { dispatch, tenant, calls } = await withAdapter();
    for (const params of [
      { ...credentials, acme_id: text },
      { ...credentials, acme_token: text, note: "long-enough😀" },
    ]) {
      const refusal = dispatch(tenant, { target: "long-enough😀", params });
      await expect(refusal).rejects.toMatchObject({ issues: [{ code: "invalid_text" }] });
    }
    expect(calls()).toEqual([]);
  });

  test("whose case and whose asker are longer once they are masked", async () => {
    const { dispatch, tenant } = await withAdapter();
    const text = "a\n".repeat(limits.idLengthMax / 2);
    const params = { ...credentials, acme_token: "a" };
    const ended = await dispatch(tenant, { caseId: text, requestedBy: text, params });
    const kept = expect.stringMatching(/^[^a]{254}…$/);
    expect(ended).toMatchObject({ status: "SUCCEEDED", caseId: kept, requestedBy: kept });
  });

  test("whose adapter's code has to be cut within a character", async () => {
    const error = `${"x".repeat(127)}😀`;
    const answer = async (): Promise<AdapterResult> => ({ status: "FAILED", error, summary: "No.", details: {} });
    const { dispatch, tenant } = await withAdapter({ answer, timeoutMs: 10 });
    expect((await dispatch(tenant, {})).error).toBe(`${"x".repeat(127)}\uFFFD`);
  });
});

test("a node that was away before it called the vendor does not call it any more", async () => {
  const { ports, tenant, calls, dispatch } = await withAdapter();
  const now = performance.now.bind(performance);
  const slow = new Performer({
    em: () => database.orm.em.fork(),
    async readSecrets() {
      vi.spyOn(performance, "now").mockImplementation(() => now() + limits.dispatchLeaseMarginMs);
      return new Map(Object.entries(credentials));
    },
    ...{ store: ports.store, openHttp: () => ({}) as VendorHttp, news: ports.news, log: silentLog },
  });
  vi.spyOn(ports.performer, "perform").mockImplementationOnce((performance) => slow.perform(performance));
  const ended = await dispatch(tenant, {});
  vi.restoreAllMocks();
  expect(ended).toMatchObject({ state: "COMPLETED", status: "FAILED", error: "node_too_slow" });
  expect(calls()).toEqual([]);
});

test("a node that was away right after a dispatch was written does not call its vendor", async () => {
  const { ports, tenant, calls, dispatch } = await withAdapter();
  const now = performance.now.bind(performance);
  const insert = ports.store.insert.bind(ports.store);
  vi.spyOn(ports.store, "insert").mockImplementationOnce(async (row) => {
    const written = await insert(row);
    vi.spyOn(performance, "now").mockImplementation(() => now() + limits.dispatchLeaseMarginMs);
    return written;
  });
  const ended = await dispatch(tenant, {});
  vi.restoreAllMocks();
  expect(ended).toMatchObject({ state: "COMPLETED", status: "FAILED", error: "node_too_slow" });
  expect(calls()).toEqual([]);
});

test("a thousand of the same request on two nodes make one call, whose result all of them answer", async () => {
  const answer = held<AdapterResult>();
  const asked: Asked[] = [];
  const adapter = scriptedAdapter({ asked, answer: () => answer.promise });
  const nodes = [await dispatchWorld(database.orm, [adapter]), await dispatchWorld(database.orm, [adapter])];
  const tenant: Tenant = await makeTenant(database.orm, newId());
  const input = { requestId: newId(), params: credentials };
  const all = Array.from({ length: 1_000 }, (_, index) => nodes[index % 2]!.dispatch(tenant, input));
  await vi.waitUntil(() => asked.length > 0, { timeout: 20_000 });
  answer.release({ status: "SUCCEEDED", summary: "Once.", details: {} });
  const ended = await Promise.all(all);
  expect(new Set(ended.map(({ id, status, summary }) => `${id} ${status} ${summary}`)).size).toBe(1);
  expect(asked).toHaveLength(1);
});
