// There are no persisted operations: a document counts only where it is sent, and what is sent beside it stores and unlocks nothing.
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, subscribe, terminateAll } from "./raw-socket.ts";
import { openToyEdge, type ToyEdge } from "./toy-edge.ts";

let edge: ToyEdge;
beforeAll(async () => {
  edge = await openToyEdge();
});
afterAll(async () => {
  terminateAll();
  await edge.close();
});

const query = "{ hello }";
const sha256Hash = createHash("sha256").update(query).digest("hex");
const byHash = (hash: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash: hash } } });

async function post(body: object) {
  const response = await fetch(edge.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, ...((await response.json()) as object) };
}

describe("the hash of a document", () => {
  test.each([
    ["alone", byHash(sha256Hash)],
    ["by the name of another protocol", { id: sha256Hash, documentId: `sha256:${sha256Hash}`, doc_id: "1" }],
  ])("is no operation: %s", async (_what, body) => {
    expect(await post(body)).toMatchObject({ status: 400, errors: [{ extensions: { code: "BAD_REQUEST" } }] });
  });

  test("does not become one by being sent once with its document, or with another", async () => {
    for (const hash of [sha256Hash, createHash("sha256").update("{ other }").digest("hex"), "__proto__"]) {
      expect(await post({ query, ...byHash(hash) })).toMatchObject({ status: 200, data: { hello: "Hello undefined" } });
      expect(await post(byHash(hash))).toMatchObject({ status: 400 });
    }
  });

  test("is none by GET or over a socket either", async () => {
    const extensions = encodeURIComponent(JSON.stringify(byHash(sha256Hash).extensions));
    expect((await fetch(`${edge.url}?extensions=${extensions}`)).status).toBe(400);
    const client = await connect(edge.wsUrl);
    client.say({ type: "connection_init" });
    await client.hear();
    client.say({ ...subscribe("1", ""), payload: byHash(sha256Hash) });
    expect((await client.closed)[0]).toBe(4400);
  });

  test("lets nothing through that its document would not", async () => {
    const deep = `{ thing ${"{ thing ".repeat(30)}{ name }${" }".repeat(30)} }`;
    const hash = createHash("sha256").update(deep).digest("hex");
    const answer = await post({ query: deep, ...byHash(hash) });
    expect(answer).toMatchObject({ errors: [{ extensions: { code: "QUERY_TOO_LARGE" } }] });
  });
});
