import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { localId } from "../../src/core/global-id.ts";
import { newId } from "../../src/core/ids.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { type Customer, makeCustomer, refusalOf, setEnabled } from "../tenancy/customers.ts";
import { codesOf, mutate, send } from "../tenancy/strangers.ts";
import { registerPlaybook } from "../triggers/event-fixtures.ts";
import { Office, statusesOf } from "./approvals-office.ts";

const block = '{id: block, name: Block, type: action, action_ref: block@1.0, parameters: {value: "x"}}';
const note = '{id: note, name: Note, type: action, action_ref: note@1.0, parameters: {value: "x"}}';
const ask = (fields = "") =>
  `{id: ask, name: Ask, type: approval, approvers: [{role: security_lead}], on_success: block${fields}}`;

let office: Office;
let host: TestServer;
let second: TestServer;
let theirs: Customer;
let number = 0;

/** The server as the customer's admin has it. */
const asCustomer = (server: TestServer): TestServer => ({
  ...server,
  adminToken: theirs.token,
  client: (token = theirs.token) => server.client(token),
});

beforeAll(async () => {
  office = await Office.open();
  host = office.server;
  second = await startTestServer({ database: host.database });
});
beforeEach(async () => {
  theirs = await makeCustomer(host, `customer ${++number}`);
  office.server = asCustomer(host);
  office.leadToken = await office.member("lea", ["security_lead", "viewer"]);
  for (const name of ["block", "note", "hang"]) await office.register(name, "1.0.0");
  office.calls.length = 0;
});
afterAll(async () => {
  office.server = host;
  await second.close();
  await office.close();
});

const disable = (at = host) => setEnabled(at, { tenant: theirs.name, enabled: false });
const enable = async (...more: readonly TestServer[]) => {
  await setEnabled(host, { tenant: theirs.name, enabled: true });
  for (const at of [host, second, ...more]) await expect.poll(() => refusalOf(at, theirs.token)).toBeUndefined();
};
const called = () => office.calls.map(({ action }) => action);

interface Row {
  readonly status: string;
  readonly error_code: string | null;
  readonly owner_id: number | null;
}
/** The run as its row says: nobody of its tenant may ask. */
async function row(id: string): Promise<Row | undefined> {
  const sql = "select status, error_code, owner_id from run where id = ?";
  const [found] = await host.orm.em.fork().execute<Row[]>(sql, [localId("Run", id)]);
  return found;
}
const outcome = async (id: string) => {
  const found = await row(id);
  return `${found?.status} ${found?.error_code}`;
};
const refused = "FAILED tenant_disabled";
/** Nobody's, and out of every node's memory. */
const asleep = async (id: string) => {
  const found = await row(id);
  return found?.status === "WAITING" && found.owner_id === null;
};

describe("a run of a disabled tenant", () => {
  test("waits for its approval, which nobody can give, and goes on once the tenant is enabled", async () => {
    await office.registerPlaybook("asks", [ask(), block]);
    const id = await office.start("asks");
    const { id: approval } = await office.requestOf(id);
    await expect.poll(() => asleep(id), { timeout: 20_000 }).toBe(true);
    await disable();
    const decide = `mutation { decideApproval(input: { id: "${approval}", decision: APPROVE }) { __typename } }`;
    for (const at of [host, second]) {
      await expect.poll(() => refusalOf(at, office.leadToken)).toBe("TENANT_DISABLED");
      expect(codesOf(await send(at, office.leadToken, decide))).toEqual(["TENANT_DISABLED"]);
    }
    expect(await asleep(id)).toBe(true);
    await enable();
    await office.decide(approval, "APPROVE");
    expect((await office.ended(id)).status).toBe("SUCCEEDED");
    expect(called()).toEqual(["block"]);
  });

  test("is let go on by no decision from the moment on, where no node has heard of it yet", async () => {
    await office.registerPlaybook("asks", [ask(), block]);
    const id = await office.start("asks");
    const { id: approval } = await office.requestOf(id);
    // Without a word to any node.
    await host.orm.em.fork().execute("update tenant set disabled_at = now() where id = ?", [theirs.tenantId]);
    const decide = `mutation { decideApproval(input: { id: "${approval}", decision: APPROVE }) { __typename } }`;
    expect(codesOf(await send(second, office.leadToken, decide))).toEqual(["TENANT_DISABLED"]);
    await expect.poll(() => refusalOf(host, theirs.token), { timeout: 20_000 }).toBe("TENANT_DISABLED");
    expect(called()).toEqual([]);
  });

  test.each([
    ["abort", ""],
    ["continue", ", on_failure: continue"],
    ["a step of its own", ", on_failure: note"],
  ])(
    "ends at once where it is at work, wherever that is, and nothing follows: on_failure says %s",
    async (_what, rule) => {
      const key = `works-${number}`;
      await office.registerPlaybook(key, [
        `{id: hang, name: Hang, type: action, action_ref: hang@1.0, max_retries: 2, on_success: block${rule}}`,
        block,
        note,
      ]);
      const ids = [await office.start(key)];
      office.server = asCustomer(second);
      ids.push(await office.start(key));
      office.server = asCustomer(host);
      await expect.poll(() => called().length).toBe(2);
      await disable();
      for (const id of ids) await expect.poll(() => outcome(id), { timeout: 20_000 }).toBe(refused);
      expect(called()).toEqual(["hang", "hang"]);
      await enable();
      const run = await office.ended(ids[0] ?? "");
      expect(run.error).toMatchObject({ code: "tenant_disabled" });
      expect(statusesOf(run)["hang"]).toBe("cancelled");
      expect(called()).toEqual(["hang", "hang"]);
    },
  );

  test("executes nothing when it wakes, on a node that has started since, and can be taken up afterwards", async () => {
    // Long enough for all that comes before the tenant is disabled, also on a busy machine.
    const branch = "{id: ask, type: approval, approvers: [{role: security_lead}], timeout: 8s}";
    await office.registerPlaybook("late", [ask(", timeout: 8s, on_timeout: note, on_failure: note"), block, note]);
    await office.registerPlaybook("fork", [
      `{id: fork, name: Fork, type: parallel, branches: [${branch}], on_failure: note}`,
      note,
    ]);
    const ids = [await office.start("late"), await office.start("fork")];
    for (const id of ids) await office.requestOf(id);
    await disable();
    const third = await startTestServer({ database: host.database });
    for (const id of ids) await expect.poll(() => outcome(id), { timeout: 30_000 }).toBe(refused);
    expect(called()).toEqual([]);
    await enable(third);
    await third.close();
    expect(called()).toEqual([]);
    const again = { id: ids[0] };
    const { run } = await mutate<{ run: { id: string } }>(
      office.server,
      theirs.token,
      "rerunFromFailure",
      "run { id }",
      again,
    );
    await office.decide((await office.requestOf(run.id)).id, "APPROVE");
    expect((await office.ended(run.id)).status).toBe("SUCCEEDED");
    expect(called()).toEqual(["block"]);
  }, 90_000);

  test("leaves the runs of others alone", async () => {
    await office.registerPlaybook("asks", [ask(), block]);
    const id = await office.start("asks");
    const { id: approval } = await office.requestOf(id);
    const other = await makeCustomer(host, `other ${number}`);
    await setEnabled(host, { tenant: other.name, enabled: false });
    await office.decide(approval, "APPROVE");
    expect((await office.ended(id)).status).toBe("SUCCEEDED");
  });
});

describe("what triggers playbooks of a disabled tenant", () => {
  const em = () => host.orm.em.fork();
  const runs = async () => {
    const [{ count } = { count: -1 }] = await em().execute<{ count: number }[]>(
      "select count(*)::int as count from run where tenant_id = ?",
      [theirs.tenantId],
    );
    return count;
  };

  test("starts nothing where it was not dispatched before, nor afterwards", async () => {
    await registerPlaybook(asCustomer(host), { key: "triggered" });
    await disable();
    const id = newId();
    await em().execute(
      `insert into trigger_event (id, tenant_id, created_at, type, key, at, data, data_hash, emitted_by_kind, emitted_by_name)
      values (?, ?, now() - interval '1 minute', 'finding.new', 'left', now(), '{"finding": {}}', '', 'TOKEN', 'ann')`,
      [id, theirs.tenantId],
    );
    const isDispatched = async () => {
      const sql = "select 1 from trigger_event where id = ? and dispatched_at is not null";
      return (await em().execute<unknown[]>(sql, [id])).length === 1;
    };
    await expect.poll(isDispatched, { timeout: 30_000 }).toBe(true);
    await enable();
    expect(await runs()).toBe(0);
    const emit = 'mutation { emitEvent(input: { type: "finding.new", data: {finding: {}} }) { __typename } }';
    expect((await send(host, theirs.token, emit)).data).toMatchObject({
      emitEvent: { __typename: "EmitEventPayload" },
    });
    await expect.poll(runs, { timeout: 20_000 }).toBe(1);
  });

  test("passes its ticks over, however many, and makes up for none of them", async () => {
    const trigger = { cron: "0 0 * * *", timezone: "UTC" };
    await registerPlaybook(asCustomer(host), { key: "daily", event: "schedule", trigger });
    await disable();
    await em().execute(
      "update schedule set next_at = date_trunc('day', now()) - interval '9 days' where tenant_id = ?",
      [theirs.tenantId],
    );
    const isNext = async () => {
      const sql = "select 1 from schedule where tenant_id = ? and next_at > now()";
      return (await em().execute<unknown[]>(sql, [theirs.tenantId])).length === 1;
    };
    await expect.poll(isNext, { timeout: 30_000 }).toBe(true);
    // No tick of its own comes between.
    await em().execute("update schedule set next_at = now() + interval '1 day' where tenant_id = ?", [theirs.tenantId]);
    await enable();
    const [{ events } = { events: -1 }] = await em().execute<{ events: number }[]>(
      "select count(*)::int as events from trigger_event where tenant_id = ?",
      [theirs.tenantId],
    );
    expect([events, await runs()]).toEqual([0, 0]);
    await em().execute("update schedule set next_at = now() where tenant_id = ?", [theirs.tenantId]);
    await expect.poll(runs, { timeout: 30_000 }).toBe(1);
  });
});
