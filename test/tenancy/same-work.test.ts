import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { schema } from "../../src/schema.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { answersOf } from "./field-answers.ts";
import { rootFieldsOf } from "./generated-documents.ts";
import { neverWere, type References } from "./root-fields.ts";
import { makeStranger, seed } from "./strangers.ts";

// Beside authorisation.test.ts, which compares the answers: how long an answer takes tells nothing either. Time is not measured, since a busy
// machine would decide; what is compared is the work, statement by statement.

let server: TestServer;
let theirs: References;
let never: References;
let statements: string[] = [];

beforeAll(async () => {
  server = await startTestServer();
  theirs = await seed(server);
  never = neverWere(theirs);
  const logger = server.requests.config.getLogger();
  vi.spyOn(logger, "isEnabled").mockReturnValue(true);
  vi.spyOn(logger, "logQuery").mockImplementation(({ query }) => void statements.push(query ?? ""));
});
afterAll(() => server.close());

/** What the database is asked on behalf of a new tenant, without the values. */
async function workFor(root: Parameters<typeof answersOf>[1], refs: References): Promise<string[]> {
  const token = await makeStranger(server, `stranger ${crypto.randomUUID()}`);
  statements = [];
  await answersOf(server, root, refs, { token });
  return statements.map((text) => text.replace(/'[^']*'/g, "'…'").replace(/\d+(\.\d+)?/g, "0")).toSorted();
}

describe("for a stranger", () => {
  const asked = rootFieldsOf(schema).filter(({ kind }) => kind !== "subscription");
  let count = 0;

  test.each(asked)(
    "$path does the same work for another tenant's things as for things that never were",
    async (root) => {
      const work = await workFor(root, theirs);
      expect(work).toEqual(await workFor(root, never));
      count += work.length;
    },
  );

  test("there is work to compare", () => {
    expect(count).toBeGreaterThan(asked.length);
  });
});
