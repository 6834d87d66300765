import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { localId } from "../../src/core/global-id.ts";
import { schema } from "../../src/schema.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { type Answer, send } from "../tenancy/strangers.ts";
import { auditedIssuer, auditedVendor, vendorCalls } from "./audited-vendor.ts";
import { type DeedWorld, deeds, notAudited, ready } from "./deeds.ts";

let server: TestServer;
let world: DeedWorld;
let number = 0;

beforeAll(async () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const config = {
    ...{ JWT_ISSUER: auditedIssuer, JWT_AUDIENCE: ["riposte"], JWT_ALGORITHMS: ["ES256"], JWT_TENANT: "default" },
    JWT_KEYS: publicKey.export({ type: "spki", format: "pem" }) as string,
  };
  server = await startTestServer({ config, adapters: [auditedVendor] });
  const { data } = await send(server, server.adminToken, "{ viewer { tenant { id } } }");
  const { viewer } = data as { viewer: { tenant: { id: string } } };
  const tenantId = localId("Tenant", viewer.tenant.id) ?? "";
  world = { server, tenantId, name: () => `audited-${++number}` };
});
afterAll(() => server.close());

const mutations = Object.keys(schema.getMutationType()?.getFields() ?? {}).sort();
const audited = mutations.filter((name) => deeds[name]);

async function call(name: string, input: object): Promise<Answer> {
  const capital = name.charAt(0).toUpperCase() + name.slice(1);
  const isLiveAction = name === "dispatchLiveAction" || name === "dryRunLiveAction";
  const type = isLiveAction ? "LiveActionInput" : `${capital}Input`;
  const query = `mutation ($input: ${type}!) { ${name}(input: $input) { __typename ... on Failure { code message } } }`;
  for (;;) {
    const answer = await send(server, server.adminToken, query, { input });
    const failure = answer.data?.[name] as { code?: string } | null | undefined;
    // A node on a busy machine may be out of its cluster for a moment; then it takes no runs.
    if (failure?.code !== "unavailable") return answer;
    await ready(server);
  }
}

const payloadOf = (name: string) => `${name.charAt(0).toUpperCase()}${name.slice(1)}Payload`;

async function rows<Row>(sql: string, values: unknown[] = []): Promise<Row[]> {
  return server.orm.em.fork().execute(sql, values) as Promise<Row[]>;
}

interface Entry {
  readonly subject: string;
  readonly outcome: string;
  readonly actor_kind: string;
  readonly actor_name: string;
}

function entriesOf(operation: string): Promise<Entry[]> {
  return rows<Entry>("select * from audit_entry where tenant_id = ? and operation = ? order by at", [
    world.tenantId,
    operation,
  ]);
}

test("every mutation of the schema has a row that says how it is audited, or why it is not", () => {
  expect(mutations.filter((name) => !deeds[name] && !notAudited[name])).toEqual([]);
});

describe("in the audit trail", () => {
  test.each(audited)("%s leaves one entry of its name", async (name) => {
    const row = deeds[name]!;
    const input = await row.prepare(world);
    const before = await entriesOf(name);
    expect(await call(name, input)).toMatchObject({ data: { [name]: { __typename: payloadOf(name) } } });
    const after = await entriesOf(name);
    expect(after).toHaveLength(before.length + 1);
    const entry = after.at(-1)!;
    expect(entry).toMatchObject({ outcome: row.outcome ?? "succeeded" });
    expect(entry.subject.startsWith(row.subject)).toBe(true);
    if (name !== "enrolAgent") expect(entry).toMatchObject({ actor_kind: "TOKEN", actor_name: "ADMIN_TOKEN" });
  });

  test.each(audited.filter((name) => deeds[name]?.isRepeatable))("%s leaves none when it is repeated", async (name) => {
    const input = await deeds[name]!.prepare(world);
    await call(name, input);
    const before = await entriesOf(name);
    expect(await call(name, input)).toMatchObject({ data: { [name]: { __typename: payloadOf(name) } } });
    expect(await entriesOf(name)).toHaveLength(before.length);
  });

  test("the end of a live action is an entry of its own, under the same target", async () => {
    const input = { ...((await deeds["dispatchLiveAction"]!.prepare(world)) as { target: string }) };
    await call("dispatchLiveAction", input);
    const found = await rows("select * from audit_entry where subject = ? order by at", [`target:${input.target}`]);
    expect(found).toMatchObject([
      {
        operation: "dispatchLiveAction",
        outcome: "accepted",
        detail: { caseId: "case-7", requestedBy: "ann", capability: "isolate_host", vendorId: "audited", cost: 0 },
      },
      { operation: "completeLiveAction", outcome: "succeeded", actor_name: "ADMIN_TOKEN", detail: { error: null } },
    ]);
  });

  test("what became of a live action whose node died is an entry of whoever asked for it", async () => {
    const target = world.name();
    await rows(
      `insert into live_action_dispatch (id, tenant_id, created_at, request_id, mode, state, capability, vendor_id, target, params, actor_kind,
        actor_name, input_hash, cost, lease_until)
      values (uuidv7(), ?, now(), ?, 'LIVE', 'RUNNING', 'isolate_host', 'audited', ?, '{}', 'TOKEN', 'somebody', ?, 1, now() - interval '1 second')`,
      [world.tenantId, target, target, "0".repeat(64)],
    );
    const found = () => rows("select * from audit_entry where subject = ?", [`target:${target}`]);
    await expect.poll(found).toMatchObject([
      {
        operation: "completeLiveAction",
        outcome: "failed",
        actor_name: "somebody",
        detail: { error: "effect_unknown" },
      },
    ]);
  });

  test("a live action that people say no to is an entry of who decided, and one of what came of it", async () => {
    const target = world.name();
    const policy = {
      capability: "isolate_host",
      vendorId: "audited",
      requireApproval: true,
      approvers: [{ role: "admin" }],
    };
    await call("updateTenantSettings", { allowSelfApproval: true });
    await call("setLiveActionPolicy", policy);
    await call("dispatchLiveAction", { capability: "isolate_host", vendorId: "audited", target });
    await call("setLiveActionPolicy", { ...policy, requireApproval: false });
    const [waiting] = await rows<{ id: string }>(
      "select approval_id as id from live_action_dispatch where target = ?",
      [target],
    );
    const id = Buffer.from(`Approval:${waiting?.id}`).toString("base64");
    await call("decideApproval", { id, decision: "REJECT", comment: "Not this one." });
    expect(
      await rows("select * from audit_entry where subject = ? order by at", [`approval:${waiting?.id}`]),
    ).toMatchObject([{ operation: "decideApproval", detail: { decision: "REJECT", comment: "Not this one." } }]);
    expect(await rows("select * from audit_entry where subject = ? order by at", [`target:${target}`])).toMatchObject([
      { operation: "dispatchLiveAction", outcome: "awaiting_approval" },
      { operation: "completeLiveAction", outcome: "failed", detail: { error: "approval_rejected" } },
    ]);
  });

  test("a live action that a playbook's step asks for stands under its target, too", async () => {
    const [key, target] = [world.name(), world.name()];
    const step = `{id: cut, name: Cut, type: live_action, capability: isolate_host, vendor_id: audited, target: ${target}}`;
    const source = `id: ${key}\nname: ${key}\nversion: "1.0.0"\ntrigger: {event: manual}\nsteps: [${step}]`;
    await call("registerPlaybook", { source });
    await call("executePlaybook", { key });
    const found = () => rows("select * from audit_entry where subject = ? order by at", [`target:${target}`]);
    await expect.poll(found).toMatchObject([
      { operation: "dispatchLiveAction", outcome: "accepted", actor_name: "ADMIN_TOKEN" },
      { operation: "completeLiveAction", outcome: "succeeded", actor_name: "ADMIN_TOKEN" },
    ]);
  });

  test("an event that comes by POST /events leaves the entry of emitEvent", async () => {
    const before = await entriesOf("emitEvent");
    const response = await fetch(server.url.replace("/graphql", "/events"), {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${server.adminToken}` },
      body: JSON.stringify({ type: "finding.new", data: { finding: { title: "t" } } }),
    });
    expect(response.status).toBe(202);
    expect(await entriesOf("emitEvent")).toHaveLength(before.length + 1);
  });

  test("no entry holds a secret's value", async () => {
    const [all] = await rows<{ text: string }>("select string_agg(e::text, ' ') as text from audit_entry e");
    expect(all?.text).toContain("putSecret");
    expect(all?.text).not.toContain("s3cret-value-4711");
  });

  test("everything is sealed into one chain that is intact", async () => {
    const { data } = await send(server, server.adminToken, "{ verifyAudit { intact entries firstBroken } }");
    const [count] = await rows<{ count: number }>(
      "select count(*)::int as count from audit_entry where tenant_id = ?",
      [world.tenantId],
    );
    expect(data).toEqual({ verifyAudit: { intact: true, entries: count?.count, firstBroken: null } });
  });
});

/** All that is stored, but for what goes on by itself: heartbeats, when a token was used, and the sealing of what is there. */
async function everything(): Promise<unknown> {
  const goesOn = ["node", "audit_chain", "audit_entry", "mikro_orm_migrations"];
  const tables = await rows<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = current_schema() order by tablename",
  );
  const found: Record<string, unknown> = {};
  for (const { name } of tables.filter((table) => !goesOn.includes(table.name))) {
    found[name] = await rows(
      `select (to_jsonb(t) - 'last_used_at' - 'last_seen_at')::text as row from "${name}" t order by 1`,
    );
  }
  return found;
}

describe("while the audit table takes nothing", () => {
  const refuse = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    await rows(`create or replace function refuse_audit() returns trigger language plpgsql as
      $$ begin raise exception 'the audit trail is full'; end $$`);
    await rows("create trigger refuse_audit before insert on audit_entry for each row execute function refuse_audit()");
    try {
      return await work();
    } finally {
      await rows("drop trigger refuse_audit on audit_entry");
    }
  };

  test.each(audited)("%s fails, and nothing has changed", async (name) => {
    const input = await deeds[name]!.prepare(world);
    await settled();
    const [before, calls] = [await everything(), vendorCalls.length];
    const answer = await refuse(() => call(name, input));
    expect(answer.data?.[name] ?? null).toBeNull();
    expect(answer.errors?.map(({ extensions }) => extensions?.["code"])).toEqual(["INTERNAL"]);
    expect(JSON.stringify(answer)).not.toContain("the audit trail is full");
    expect(await everything()).toEqual(before);
    expect(vendorCalls).toHaveLength(calls);
    // Once it takes entries again, the same is done.
    expect(await call(name, input)).toMatchObject({ data: { [name]: { __typename: payloadOf(name) } } });
  });

  test("runs that were started before go on to their end", async () => {
    const key = world.name();
    const steps =
      "steps: [{id: wait, name: Wait, type: delay, duration: 2s}, {id: on, name: On, type: delay, duration: 1ms}]";
    await call("registerPlaybook", {
      source: `id: ${key}\nname: ${key}\nversion: "1.0.0"\ntrigger: {event: manual}\n${steps}`,
    });
    await call("executePlaybook", { key });
    const refused = await deeds["executeAction"]!.prepare(world);
    const statuses = () =>
      rows("select r.status from run r join playbook p on p.id = r.playbook_id where p.key = ?", [key]);
    await refuse(async () => {
      const several = await Promise.all(
        [1, 2, 3].map(() => call("executeAction", { ...refused, idempotencyKey: world.name() })),
      );
      for (const answer of several) expect(answer.errors).toHaveLength(1);
      await expect.poll(statuses).toEqual([{ status: "SUCCEEDED" }]);
    });
  });

  test("which is not there at all, a run is refused too, and no other", async () => {
    const input = await deeds["executeAction"]!.prepare(world);
    await rows("alter table audit_entry rename to audit_entry_away");
    try {
      expect((await call("executeAction", input)).errors).toHaveLength(1);
    } finally {
      await rows("alter table audit_entry_away rename to audit_entry");
    }
    expect(await call("executeAction", input)).toMatchObject({
      data: { executeAction: { __typename: "ExecuteActionPayload" } },
    });
  });

  /** Nothing is under way any more, nor wakes up soon. */
  async function settled(): Promise<void> {
    const busy = `select 1 from run
      where finished_at is null and (owner_id is not null or wake_at < now() + interval '1 minute') limit 1`;
    await expect.poll(() => rows(busy), { timeout: 20_000 }).toEqual([]);
  }
});
