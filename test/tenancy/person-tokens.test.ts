import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Person } from "../../src/tenancy/entities.ts";
import { personId } from "../../src/tenancy/jwt-claims.ts";
import { codeOf, subscribe, terminateAll } from "../graphql/raw-socket.ts";
import { Office } from "../runs/approvals-office.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeCustomer } from "./customers.ts";
import { jwtOf, openTwoProviders, type TwoProviders } from "./people-fixtures.ts";
import { openEvents, openSocket } from "./signed-in-streams.ts";
import { codesOf, mutate, send } from "./strangers.ts";

const viewer = "{ viewer { name } }";
const updates = "subscription { runUpdates { cursor } }";

let providers: TwoProviders;
let office: Office;
let server: TestServer;
let second: TestServer;
beforeAll(async () => {
  providers = await openTwoProviders();
  office = await Office.open({ config: providers.config });
  server = office.server;
  second = await startTestServer({ config: providers.config, database: server.database });
  const ask = "{id: ask, name: Ask, type: approval, approvers: [{role: security_lead}]}";
  await office.registerPlaybook("asking", [ask, "{id: block, name: Block, type: action, action_ref: block}"]);
});
afterAll(async () => {
  terminateAll();
  await second.close();
  await office.close();
  await providers.close();
});

interface Revoked {
  readonly revokedAt: string;
  readonly lastIssuedAt: string | null;
}

function revoke(subject: string, token = server.adminToken): Promise<Revoked> {
  const input = { issuer: providers.own.issuer, subject };
  return mutate<Revoked>(server, token, "revokePersonTokens", "revokedAt lastIssuedAt", input);
}

const refusalOf = async (at: TestServer, jwt: string) => codesOf(await send(at, jwt, viewer))[0];
/** Issued when the revocation is over for certain, by a clock that goes ahead as far as it may. */
const later = (name: string, roles: readonly string[], claims = {}) =>
  jwtOf(providers.own, name, { roles, ago: -4, ...claims });

/** Moves what has been revoked into the past, as if it had been done a minute ago. */
async function aMinuteLater(): Promise<void> {
  const back = "interval '1 minute'";
  const sql = `update person set revoked_at = revoked_at - ${back}, revoked_before = revoked_before - ${back} where revoked_at is not null`;
  await server.orm.em.fork().execute(sql);
}

describe("a person whose JWTs are revoked on one node", () => {
  test("loses their streams and sockets on every node, and begins nothing more", async () => {
    const [jwt, another] = [
      await jwtOf(providers.own, "alice", { roles: ["operator"] }),
      await jwtOf(providers.own, "alice", { roles: ["viewer"], ago: 60 }),
    ];
    const nodes = await Promise.all(
      [server, second].map(async (at) => {
        const client = await openSocket(at, jwt);
        client.say(subscribe("stream", updates));
        // Answered: so the stream before it is open.
        client.say(subscribe("query", "{ __typename }"));
        expect((await client.hear()).id).toBe("query");
        expect((await client.hear()).type).toBe("complete");
        return { at, client, idle: await openSocket(at, another), events: await openEvents(at, jwt, updates) };
      }),
    );
    const { lastIssuedAt } = await revoke("alice");
    expect(lastIssuedAt).not.toBeNull();
    // At once where it was done.
    for (const one of [jwt, another]) expect(await refusalOf(server, one)).toBe("UNAUTHENTICATED");
    await Promise.all(
      nodes.map(async ({ at, client, idle, events }) => {
        const last = await client.hear();
        expect([last.id, codeOf(last)]).toEqual(["stream", "UNAUTHENTICATED"]);
        expect((await client.closed)[0]).toBe(4403);
        expect((await idle.closed)[0]).toBe(4403);
        expect(await events.text).toContain("UNAUTHENTICATED");
        for (const one of [jwt, another]) expect(await refusalOf(at, one)).toBe("UNAUTHENTICATED");
      }),
    );
  });

  test("is not let in with any JWT of before, or that does not say when it was issued", async () => {
    await revoke("bob");
    for (const claims of [{ ago: 0 }, { ago: 100 }, { ago: 0, iat: undefined }]) {
      expect(await refusalOf(second, await jwtOf(providers.own, "bob", { roles: ["admin"], ...claims }))).toBe(
        "UNAUTHENTICATED",
      );
    }
  });

  test("is let in with a later one", async () => {
    await revoke("carol");
    await aMinuteLater();
    expect(await refusalOf(second, await later("carol", ["viewer"]))).toBeUndefined();
    expect(await refusalOf(server, await jwtOf(providers.own, "carol", { roles: ["viewer"], ago: 70 }))).toBe(
      "UNAUTHENTICATED",
    );
  });

  test("is nobody else: of another provider, of another subject, or in another tenant", async () => {
    const customer = await makeCustomer(server, `customer ${crypto.randomUUID()}`);
    await revoke("dave");
    const others = [
      jwtOf(providers.other, "dave", { roles: ["viewer"] }),
      jwtOf(providers.own, "dave2", { roles: ["viewer"] }),
      jwtOf(providers.own, "dave", { roles: ["viewer"], tenant: customer.name }),
    ];
    for (const jwt of others) expect(await refusalOf(server, await jwt)).toBeUndefined();
    expect(await refusalOf(server, await jwtOf(providers.own, "dave", { roles: ["viewer"] }))).toBe("UNAUTHENTICATED");
  });

  test("stands in the audit trail, and who did it with which claims", async () => {
    await revoke("erin");
    const query = `{ auditEntries(first: 1, filter: { operation: "revokePersonTokens" }) {
      edges { node { subject detail actor { kind } } } } }`;
    const { data } = await send(server, server.adminToken, query);
    const detail = { issuer: providers.own.issuer, subject: "erin" };
    const subject = `person:${personId(providers.own.issuer, "erin")}`;
    expect(data).toEqual({
      auditEntries: { edges: [{ node: { subject, detail, actor: { kind: "TOKEN" } } }] },
    });
  });
});

describe("revoking the JWTs of a person", () => {
  const mutation = `mutation ($input: RevokePersonTokensInput!) { revokePersonTokens(input: $input) {
    ... on RevokePersonTokensPayload { lastIssuedAt } ... on Failure { code } } }`;

  test("is for admins, and reaches nobody of another tenant", async () => {
    const jwt = await jwtOf(providers.own, "frank", { roles: ["author"] });
    const input = { issuer: providers.own.issuer, subject: "frank" };
    expect(codesOf(await send(server, jwt, mutation, { input }))).toEqual(["FORBIDDEN"]);
    const customer = await makeCustomer(server, `customer ${crypto.randomUUID()}`);
    const { data } = await send(server, customer.token, mutation, { input });
    // Nor does its admin learn that he is somebody elsewhere.
    expect(data).toEqual({ revokePersonTokens: { lastIssuedAt: null } });
    for (const at of [server, second]) expect(await refusalOf(at, jwt)).toBeUndefined();
  });

  test("names a provider as it is set up", async () => {
    const input = { issuer: `${providers.own.issuer}/`, subject: "frank" };
    const { data } = await send(server, server.adminToken, mutation, { input });
    expect(data).toEqual({ revokePersonTokens: { code: "not_found" } });
    const id = personId(input.issuer, "frank");
    expect(await server.orm.em.fork().count(Person, { id })).toBe(0);
  });
});

describe("a run of a person whose JWTs are revoked while it waits", () => {
  const decision = `mutation ($input: DecideApprovalInput!) { decideApproval(input: $input) {
    ... on DecideApprovalPayload { approval { status } } ... on Failure { code } } }`;
  const decide = async (id: string, token = office.leadToken, verdict = "APPROVE") =>
    await send(server, token, decision, { input: { id, decision: verdict } });

  test("goes on by nobody's yes, also when the person is back; what they start then does", async () => {
    const stolen = await office.start("asking", await jwtOf(providers.own, "grace", { roles: ["operator"], ago: 100 }));
    const { id } = await office.requestOf(stolen);
    const before = office.calls.length;
    await revoke("grace");
    expect((await decide(id)).data).toEqual({ decideApproval: { code: "requester_revoked" } });
    // Its run was started after the minute that is taken off here: so it is put back as well.
    await server.orm.em.fork().execute("update run set created_at = created_at - interval '1 minute'");
    await aMinuteLater();
    const back = await later("grace", ["operator"]);
    const run = await office.start("asking", back);
    expect((await decide(id)).data).toEqual({ decideApproval: { code: "requester_revoked" } });
    expect(office.calls).toHaveLength(before);
    await office.decide((await office.requestOf(run)).id, "APPROVE");
    expect((await office.ended(run)).status).toBe("SUCCEEDED");
    await office.decide(id, "REJECT");
    expect((await office.ended(stolen)).error?.code).toBe("approval_rejected");
  });

  test("is decided by no JWT that was revoked, from the first moment and wherever it is still believed", async () => {
    const run = await office.start("asking");
    const { id } = await office.requestOf(run);
    const heidi = await jwtOf(providers.own, "heidi", { roles: ["security_lead", "viewer"] });
    expect(await refusalOf(server, heidi)).toBeUndefined();
    // As another node does it: this one has not heard of it.
    const sql = `update person set revoked_at = now(), revoked_before = now() + interval '5 seconds' where id = ?`;
    await server.orm.em.fork().execute(sql, [personId(providers.own.issuer, "heidi")]);
    for (const verdict of ["APPROVE", "REJECT"]) {
      expect(codesOf(await decide(id, heidi, verdict))).toEqual(["UNAUTHENTICATED"]);
    }
    await office.decide(id, "APPROVE");
    expect((await office.ended(run)).status).toBe("SUCCEEDED");
  });
});
