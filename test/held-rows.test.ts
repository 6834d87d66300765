import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientConfig } from "../src/database/address.ts";
import { startTestServer, type TestServer } from "./support/server.ts";
import { makeTenant, makeToken } from "./tenancy/tenancy-fixtures.ts";

let server: TestServer;
const tokens: string[] = [];
beforeAll(async () => {
  server = await startTestServer();
  for (const name of ["busy", "other"]) {
    tokens.push((await makeToken(server.orm, await makeTenant(server.orm, name))).text);
  }
});
afterAll(() => server.close());

const document = `mutation ($name: String!) {
  putVariable(input: { name: $name, value: "v" }) { __typename }
}`;

/** What a request of theirs is answered: the type of its result, or the code of its error. */
async function put(token: string, name: string): Promise<string> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const body = JSON.stringify({ query: document, variables: { name } });
  const response = await fetch(server.url, { method: "POST", headers, body });
  const { data, errors } = (await response.json()) as {
    data?: { putVariable?: { __typename: string } };
    errors?: readonly { message: string; extensions: { code: string } }[];
  };
  return data?.putVariable?.__typename ?? `${errors?.[0]?.extensions.code}: ${errors?.[0]?.message}`;
}

describe("while somebody at a console holds a row, and fifty requests of its tenant wait for it,", () => {
  test("the server answers everybody else, and the fifty in the end", async () => {
    const [busy, other] = tokens as [string, string];
    const done = await put(busy, "held");
    expect(done).toBe(await put(busy, "free"));
    const console_ = new pg.Client(clientConfig(server.database));
    await console_.connect();
    await console_.query("begin; select from variable where name = 'held' for update");
    const flood = Array.from({ length: 50 }, () => put(busy, "held"));
    expect(await put(other, "theirs")).toBe(done);
    expect(new Set(await Promise.all(flood))).toEqual(
      new Set([
        "UNAVAILABLE: Somebody else holds what this has to change; try again.",
        "UNAVAILABLE: The database is too busy at the moment; try again.",
      ]),
    );
    expect(await put(busy, "free")).toBe(done);
    await console_.query("rollback");
    await console_.end();
    const again = await Promise.all(Array.from({ length: 50 }, () => put(busy, "held")));
    expect(new Set(again)).toEqual(new Set([done]));
  }, 90_000);
});
