import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLog } from "../../src/core/log.ts";
import { clientConfig } from "../../src/database/address.ts";
import { type Listener, listen } from "../../src/database/listen.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let sender: pg.Client;
let listener: Listener;
const heard: string[] = [];
let reconnects = 0;
beforeAll(async () => {
  database = await createTestDatabase();
  sender = new pg.Client(clientConfig(database.address));
  await sender.connect();
  listener = await listen({
    address: database.address,
    channels: ["one", "Two"],
    log: silentLog,
    onNotify: (channel, payload) => heard.push(`${channel}:${payload}`),
    onReconnect: () => reconnects++,
  });
});
afterAll(async () => {
  await sender.end();
  await database.close();
});

describe("a listener", () => {
  test("hears what is notified on its channels, in order, and nothing else", async () => {
    await sender.query(`notify one, 'a'`);
    await sender.query(`notify other, 'x'`);
    await sender.query(`notify "Two", 'b'`);
    await sender.query(`notify one`);
    await expect.poll(() => heard).toEqual(["one:a", "Two:b", "one:"]);
  });

  test("connects again by itself when its connection is cut, and says so", async () => {
    const cut = () =>
      sender.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()",
      );
    await cut();
    await expect.poll(() => reconnects).toBe(1);
    await cut();
    await expect.poll(() => reconnects).toBe(2);
    heard.length = 0;
    await sender.query(`notify one, 'again'`);
    await expect.poll(() => heard).toEqual(["one:again"]);
  });

  test("is over when it is stopped", async () => {
    await listener.stop();
    await listener.stop();
    const { rows } = await sender.query(
      "select 1 from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database() and query like 'listen%'",
    );
    expect(rows).toEqual([]);
    expect(reconnects).toBe(2);
  });

  test("tells at once when the first connection can't be made", async () => {
    const address = { url: "postgres://nobody@127.0.0.1:1/none" };
    await expect(
      listen({ address, channels: ["one"], log: silentLog, onNotify: () => undefined, onReconnect: () => undefined }),
    ).rejects.toThrow();
  });
});
