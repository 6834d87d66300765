import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, type RawClient, terminateAll } from "./raw-socket.ts";
import { openToyEdge, type ToyEdge } from "./toy-edge.ts";

let edge: ToyEdge;
beforeAll(async () => {
  // None of these clients is cut for its silence.
  edge = await openToyEdge({ times: { heartbeatMs: 3_600_000 } });
});
afterAll(() => edge.close());
afterAll(terminateAll);

async function connectReady(): Promise<RawClient> {
  const client = await connect(edge.wsUrl);
  client.say({ type: "connection_init" });
  expect(await client.hear()).toEqual({ type: "connection_ack" });
  return client;
}

/** The most that a ping may carry; all of them are far more than the buffers between the two ends hold. */
const payload = "x".repeat(125);
const count = 300_000;

/** Resolves once nothing moves any more. @returns What the client has not got rid of. */
async function stuck({ socket }: RawClient): Promise<number> {
  const other = await connectReady();
  let left = socket.bufferedAmount;
  for (let rounds = 0; rounds < 2_000; rounds += 1) {
    other.say({ type: "ping" });
    await other.hear();
    if (socket.bufferedAmount !== left) rounds = 0;
    left = socket.bufferedAmount;
  }
  return left;
}

describe("a client that asks and does not read what it is answered", () => {
  test("is read no further, and gets all of it once it reads", async () => {
    const client = await connectReady();
    let answers = 0;
    client.socket.on("pong", () => {
      answers += 1;
    });
    client.socket.pause();
    for (let asked = 0; asked < count; asked += 1) client.socket.ping(payload);
    expect(await stuck(client)).toBeGreaterThan(0);
    client.socket.resume();
    await expect.poll(() => answers, { timeout: 30_000 }).toBe(count);
    expect(client.socket.bufferedAmount).toBe(0);
  }, 60_000);
});
