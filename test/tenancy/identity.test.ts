import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { codeOf, subscribe } from "../graphql/raw-socket.ts";
import type { TestServer } from "../support/server.ts";
import type { IdentityProvider } from "./identity-provider.ts";
import { type IdentityServers, openIdentityServers } from "./identity-servers.ts";
import { openEvents, openSocket } from "./signed-in-streams.ts";
import { codesOf, mutate, send } from "./strangers.ts";

const viewer = "{ viewer { kind name roles tenant { name } } }";
const updates = "subscription { runUpdates { cursor } }";

let servers: IdentityServers;
let provider: IdentityProvider;
let server: TestServer;
let second: TestServer;

beforeAll(async () => {
  servers = await openIdentityServers("realm_access.roles");
  ({ provider, first: server, second } = servers);
});
afterAll(() => servers.close());

const jwtOf = (roles: readonly string[], claims: Record<string, unknown> = {}) =>
  provider.sign({ email: "alice@example.com", realm_access: { roles }, ...claims });

describe("a person with a JWT", () => {
  test("is a member of their tenant, over every transport and on every node", async () => {
    const jwt = await jwtOf(["operator", "security_lead"]);
    const me = {
      viewer: {
        kind: "MEMBER",
        name: "alice@example.com",
        roles: ["operator", "security_lead"],
        tenant: { name: "default" },
      },
    };
    for (const at of [server, second]) {
      expect((await send(at, jwt, viewer)).data).toEqual(me);
      const client = await openSocket(at, jwt);
      client.say(subscribe("1", viewer));
      expect((await client.hear()).payload).toEqual({ data: me });
    }
  });

  test.each([
    ["expired", { exp: 1 }],
    ["meant for another", { aud: "other" }],
    ["of another issuer", { iss: "https://evil.example" }],
    ["of no tenant of ours", { tenant: "elsewhere" }],
  ])("that is %s is nobody, and is not told why", async (_what, claims) => {
    const answer = await send(server, await jwtOf(["admin"], claims), viewer);
    expect(answer.errors?.map(({ message }) => message)).toEqual([
      "Sign in with a valid token: Authorization: Bearer <token>.",
    ]);
    expect(codesOf(answer)).toEqual(["UNAUTHENTICATED"]);
  });

  test("may do what their roles give, and no more", async () => {
    const mutation = 'mutation { putVariable(input: { name: "x", value: "y" }) { __typename } }';
    expect(codesOf(await send(server, await jwtOf(["operator"]), mutation))).toEqual(["FORBIDDEN"]);
    expect(codesOf(await send(server, await jwtOf([]), "{ runs { totalCount } }"))).toEqual(["FORBIDDEN"]);
    expect(codesOf(await send(server, await jwtOf(["admin"]), mutation))).toEqual([]);
  });

  test("is a member in what they have done", async () => {
    const input = { type: "finding.new", data: {} };
    await mutate(server, await jwtOf(["operator"]), "emitEvent", "event { id }", input);
    const jwt = await jwtOf(["operator"]);
    const dispatch = { capability: "notify", target: "x" };
    const { dispatch: done } = await mutate<{ dispatch: object }>(
      server,
      jwt,
      "dispatchLiveAction",
      "dispatch { actor { kind name } }",
      dispatch,
    );
    expect(done).toEqual({ actor: { kind: "MEMBER", name: "alice@example.com" } });
  });
});

describe("an API token that is revoked on one node", () => {
  test("is looked at often enough to end everything within five seconds", () => {
    const { tokenBelievedMs, streamAuthorisationMs, socketFarewellMs } = limits;
    expect(tokenBelievedMs + streamAuthorisationMs + socketFarewellMs).toBeLessThan(5_000);
  });

  test("loses its streams and sockets on every node, and begins nothing more", async () => {
    const made = await mutate<{ token: string; apiToken: { id: string } }>(
      server,
      server.adminToken,
      "createApiToken",
      "token apiToken { id }",
      { name: "soon revoked", roles: ["viewer"] },
    );
    const nodes = await Promise.all(
      [server, second].map(async (at) => {
        const client = await openSocket(at, made.token);
        client.say(subscribe("stream", updates));
        // Answered: so the stream before it is open.
        client.say(subscribe("query", "{ __typename }"));
        expect((await client.hear()).id).toBe("query");
        expect((await client.hear()).type).toBe("complete");
        return {
          at,
          client,
          idle: await openSocket(at, made.token),
          events: await openEvents(at, made.token, updates),
        };
      }),
    );
    await mutate(server, server.adminToken, "revokeApiToken", "apiToken { id }", { id: made.apiToken.id });

    await Promise.all(
      nodes.map(async ({ at, client, idle, events }) => {
        const last = await client.hear();
        expect([last.id, codeOf(last)]).toEqual(["stream", "UNAUTHENTICATED"]);
        expect((await client.closed)[0]).toBe(4403);
        expect((await idle.closed)[0]).toBe(4403);
        expect(await events.text).toContain("UNAUTHENTICATED");
        expect(codesOf(await send(at, made.token, viewer))).toEqual(["UNAUTHENTICATED"]);
      }),
    );
  });

  test("has what it had queued on a socket refused", async () => {
    const made = await mutate<{ token: string; apiToken: { id: string } }>(
      server,
      server.adminToken,
      "createApiToken",
      "token apiToken { id }",
      { name: "queued", roles: ["viewer"] },
    );
    const client = await openSocket(server, made.token);
    await mutate(server, server.adminToken, "revokeApiToken", "apiToken { id }", { id: made.apiToken.id });
    for (const id of ["1", "2", "3"]) client.say(subscribe(id, viewer));
    const answers = [await client.hear(), await client.hear(), await client.hear()];
    for (const answer of answers) expect([answer.type, codeOf(answer)]).toEqual(["next", "UNAUTHENTICATED"]);
  });
});

describe("a JWT that expires", () => {
  test("loses its streams and sockets, and a newer one of the same person goes on", async () => {
    // Time enough for both to open on a busy machine.
    const exp = Math.floor(Date.now() / 1_000) + 8;
    const jwt = await jwtOf(["viewer"], { exp });
    const events = await openEvents(second, jwt, updates);
    const client = await openSocket(second, jwt);
    client.say(subscribe("1", updates));
    const last = await client.hear();
    expect([last.id, codeOf(last)]).toEqual(["1", "UNAUTHENTICATED"]);
    expect(await events.text).toContain("UNAUTHENTICATED");
    expect(codesOf(await send(second, jwt, viewer))).toEqual(["UNAUTHENTICATED"]);
    expect(codesOf(await send(second, await jwtOf(["viewer"]), viewer))).toEqual([]);
  });
});
