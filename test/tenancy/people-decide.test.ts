import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Office } from "../runs/approvals-office.ts";
import { audience, type IdentityProvider, makeKey, openIdentityProvider } from "./identity-provider.ts";
import { codesOf, mutate, send } from "./strangers.ts";

let provider: IdentityProvider;
let office: Office;
beforeAll(async () => {
  provider = await openIdentityProvider(await makeKey());
  office = await Office.open({
    config: {
      JWT_ISSUER: provider.issuer,
      JWT_AUDIENCE: [audience],
      JWT_JWKS_URL: provider.jwksUrl.href,
      JWT_TENANT: "default",
    },
  });
  const ask = "{id: ask, name: Ask, type: approval, approvers: [{role: security_lead}, {user: carol@example.com}]}";
  await office.registerPlaybook("asking", [ask, "{id: block, name: Block, type: action, action_ref: block}"]);
});
afterAll(async () => {
  await office.close();
  await provider.close();
});

const jwtOf = (name: string, roles: readonly string[]) =>
  provider.sign({ sub: name, email: `${name}@example.com`, roles, jti: crypto.randomUUID() });
const decide = (token: string, id: string, decision = "APPROVE") =>
  send(
    office.server,
    token,
    "mutation ($input: DecideApprovalInput!) { decideApproval(input: $input) { ... on DecideApprovalPayload { approval { decidedBy { kind name } } } ... on Failure { code } } }",
    { input: { id, decision } },
  );

describe("a person who started a run", () => {
  test("does not approve it with another token of theirs, and somebody else does", async () => {
    const run = await office.start("asking", await jwtOf("alice", ["operator", "security_lead"]));
    const { id } = await office.requestOf(run);
    const own = await decide(await jwtOf("alice", ["operator", "viewer", "security_lead"]), id);
    expect(codesOf(own)).toEqual(["FORBIDDEN"]);
    expect(own.errors?.[0]?.message).toContain("You asked for this yourself");
    const { data } = await decide(await jwtOf("bob", ["security_lead"]), id);
    expect(data).toEqual({
      decideApproval: { approval: { decidedBy: { kind: "MEMBER", name: "bob@example.com" } } },
    });
    expect((await office.ended(run)).status).toBe("SUCCEEDED");
  });
});

describe("a person whose role was taken away while a run waits", () => {
  test("does not decide it, and is not shown it", async () => {
    const run = await office.start("asking");
    const { id } = await office.requestOf(run, "ask", await jwtOf("bob", ["viewer", "security_lead"]));
    const without = await jwtOf("bob", ["free"]);
    expect(codesOf(await decide(without, id))).toEqual(["FORBIDDEN"]);
    const read = "query ($id: ID!) { node(id: $id) { ... on Approval { message } } }";
    expect(codesOf(await send(office.server, without, read, { id }))).toEqual(["FORBIDDEN"]);
    expect(codesOf(await decide(await jwtOf("carol", []), id))).toEqual([]);
    expect((await office.ended(run)).status).toBe("SUCCEEDED");
  });
});

describe("a run whose token is revoked while it waits", () => {
  test("goes on by nobody's yes, and ends by a no", async () => {
    const made = await mutate<{ token: string; apiToken: { id: string } }>(
      office.server,
      office.server.adminToken,
      "createApiToken",
      "token apiToken { id }",
      { name: "stolen", roles: ["operator"] },
    );
    const run = await office.start("asking", made.token);
    const { id } = await office.requestOf(run);
    await mutate(office.server, office.server.adminToken, "revokeApiToken", "apiToken { id }", {
      id: made.apiToken.id,
    });
    const before = office.calls.length;
    expect((await decide(office.leadToken, id)).data).toEqual({ decideApproval: { code: "requester_revoked" } });
    await office.decide(id, "REJECT");
    expect((await office.ended(run)).error?.code).toBe("approval_rejected");
    expect(office.calls).toHaveLength(before);
  });
});
