import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { schema } from "../../src/schema.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { documentFor, type RootField, rootFieldsOf } from "./generated-documents.ts";
import { type References, rootFields } from "./root-fields.ts";
import { type Answer, codesOf, firstAnswer, seed, send } from "./strangers.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** What PostgreSQL can't hold, what is far too long, and the same where an opaque id or a cursor is expected. */
const hostile: readonly string[] = [
  "",
  "a\u0000b",
  "a\ud800b",
  "x".repeat(100_000),
  base64("Run:a\u0000b"),
  base64("Run:00000000"),
  base64(JSON.stringify(["a\u0000b"])),
  base64("r-1"),
  base64("r99999999999"),
];

let server: TestServer;
let refs: References;
beforeAll(async () => {
  server = await startTestServer();
  refs = await seed(server);
});
afterAll(() => server.close());

/** The value once for each of its texts, with that text replaced. */
function* withEach(value: unknown, text: string): Generator<unknown> {
  if (typeof value === "string") yield text;
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    for (const replaced of withEach(inner, text)) {
      yield Array.isArray(value) ? value.with(Number(key), replaced) : { ...value, [key]: replaced };
    }
  }
}

async function answerTo(root: RootField, variables: Record<string, unknown>): Promise<Answer> {
  const query = documentFor(root, variables);
  const call = { token: server.adminToken, query, variables };
  return root.kind === "subscription" ? firstAnswer(server, call) : send(server, server.adminToken, query, variables);
}

describe("whatever text stands in an argument", () => {
  // Streams of a run that is still under way would wait; those of other ids are refused at once.
  const fields = rootFieldsOf(schema).filter(({ path }) => rootFields[path] && !rootFields[path]?.isEndless);

  test.each(fields)("$path refuses it or takes it, and does not break", async (root) => {
    const broken: string[] = [];
    for (const call of rootFields[root.path]?.calls(refs) ?? []) {
      for (const text of hostile) {
        for (const variables of withEach(call, text)) {
          const answer = await answerTo(root, variables as Record<string, unknown>);
          if (codesOf(answer).includes("INTERNAL")) broken.push(JSON.stringify(variables).slice(0, 200));
        }
      }
    }
    expect(broken).toEqual([]);
  });
});
