import { connect as connectTcp } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, terminateAll } from "../graphql/raw-socket.ts";
import { CanaryWorld } from "./canary-world.ts";
import { canary, leaksIn, plainCanary } from "./forms.ts";

// Beside answers.test.ts: what is no message of a protocol at all.

const secret = plainCanary("on the wire");
const odd = canary("on the wire, in a message");

let world: CanaryWorld;
beforeAll(async () => {
  world = await CanaryWorld.open();
});
afterAll(async () => {
  terminateAll();
  await world.close();
});

/** All that comes back until the server closes. */
async function raw(request: string): Promise<string> {
  const socket = connectTcp(Number(new URL(world.server.url).port), "127.0.0.1");
  socket.write(request);
  let text = "";
  for await (const chunk of socket) text += chunk;
  return text;
}

describe("a secret in what the server can't read", () => {
  test.each([
    `GET /graphql HTTP/9.9\r\nAuthorization: Bearer ${secret}\r\n\r\n`,
    `${secret}\r\n\r\n`,
    `GET /graphql HTTP/1.1\r\nHost: x\r\n${secret}\r\n\r\n`,
    `GET /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\u0001\r\n\r\n`,
    `GET /graphql HTTP/1.1\r\nHost: x\r\nX-Long: ${secret.repeat(2_000)}\r\n\r\n`,
    `GET /${secret} HTTP/1.1\r\nHost: ${secret}\r\nConnection: close\r\n\r\n`,
    `POST /graphql?${secret} HTTP/1.1\r\nHost: x\r\nContent-Type: ${secret}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Encoding: ${secret}\r\nContent-Type: application/json\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    `POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n${secret}\r\n`,
    `GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${secret}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    `OPTIONS /graphql HTTP/1.1\r\nHost: x\r\nOrigin: https://${secret}\r\nConnection: close\r\n\r\n`,
  ])("of HTTP (%#) is told nobody", async (request) => {
    const answer = await raw(request);
    expect(answer).toMatch(/^HTTP\/1\.1 [234]\d\d /);
    expect(leaksIn(answer, [secret])).toEqual([]);
    await world.expectClean(secret);
  });

  const messages: readonly string[] = [
    odd,
    JSON.stringify(odd),
    JSON.stringify({ type: odd }),
    JSON.stringify({ type: "connection_init", payload: odd }),
    JSON.stringify({ type: "connection_init", payload: { authorization: odd } }),
    JSON.stringify({ type: "connection_init", payload: { authorization: { [odd]: odd } } }),
    JSON.stringify({ type: "subscribe", id: "1", payload: { query: odd } }),
    JSON.stringify({ type: "ping", payload: odd }),
  ];
  test.each(messages)("of a WebSocket (%#) is told nobody", async (message) => {
    const client = await connect(world.server.wsUrl);
    // Whatever it makes of the message, it closes at the second time that a client begins.
    for (const each of [message, '{"type":"connection_init"}', '{"type":"connection_init"}']) client.socket.send(each);
    const [code, reason] = await client.closed;
    expect(code).toBeGreaterThanOrEqual(4_400);
    expect(leaksIn(String(reason), [odd])).toEqual([]);
    await world.expectClean(odd);
  });

  test("of an operation on a WebSocket is told nobody", async () => {
    const operations = [
      { query: `{ "${odd}` },
      { query: "query($n: Int!) { __typename @include(if: $n) }", variables: { n: odd } },
      { query: "subscription($id: ID!) { runEvents(runId: $id) { cursor } }", variables: { id: { odd } } },
      {
        query: "subscription($id: ID!, $after: String) { runEvents(runId: $id, after: $after) { cursor } }",
        variables: { id: odd, after: odd },
      },
      { query: "{ viewer { name } }", operationName: odd, variables: { odd }, extensions: { odd } },
    ];
    for (const { query, variables } of operations) {
      await world.watched(world.viewer, query, variables);
    }
    await world.expectClean(odd);
  });
});
