import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientConfig } from "../../src/database/address.ts";
import { openOrm } from "../../src/database/orm.ts";
import { entities } from "../../src/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let url: string;
beforeAll(async () => {
  database = await createTestDatabase();
  const { host, user, database: name } = clientConfig(database.address);
  // Nothing listens at port 1: only what follows the question mark leads to the server.
  url = `postgres://${user}@localhost:1/${name}?host=${encodeURIComponent(host ?? "")}&port=5432`;
});
afterAll(() => database.close());

/** What the ORM and a client of our own, as the journal's, each say to a question. */
async function answers(address: { readonly url: string }, question: string): Promise<readonly unknown[]> {
  const orm = await openOrm(address, entities);
  const client = new pg.Client(clientConfig(address));
  try {
    const ofOrm = await orm.em.fork().execute(question);
    await client.connect();
    return [ofOrm, (await client.query(question)).rows];
  } finally {
    await client.end();
    await orm.close(true);
  }
}

describe("what follows the ? of a database's URL", () => {
  test("leads the ORM to where it leads every other client", async () => {
    const [ofOrm, ofClient] = await answers({ url }, "select current_database() as name");
    expect(ofOrm).toEqual(ofClient);
  });

  test("makes the ORM demand TLS where the URL does", async () => {
    // The server of the tests speaks none.
    await expect(answers({ url: `${url}&sslmode=verify-full` }, "select 1")).rejects.toThrow("does not support SSL");
  });
});
