import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { schema } from "../../src/schema.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { answersOf } from "./field-answers.ts";
import { rootFieldsOf } from "./generated-documents.ts";
import { canary, neverWere, type References, rootFields } from "./root-fields.ts";
import { type Answer, codesOf, makeStranger, seed, send, stir } from "./strangers.ts";

const fields = rootFieldsOf(schema);
const known = fields.filter(({ path }) => rootFields[path] !== undefined);

let server: TestServer;
let theirs: References;
let never: References;

beforeAll(async () => {
  server = await startTestServer();
  theirs = await seed(server);
  never = neverWere(theirs);
});
afterAll(() => server.close());

describe("the table of root fields", () => {
  test("has a row for every root field of the schema, and no other", () => {
    expect(Object.keys(rootFields).toSorted()).toEqual(fields.map(({ path }) => path));
  });

  test("refers to a thing of every kind that is there, and to as many that never were", () => {
    for (const name of Object.keys(theirs) as (keyof References)[]) {
      expect(theirs[name], name).not.toBe("");
      // A position in a list, or a name, is no thing of its own: all else differs.
      expect(never[name], name).toHaveLength(theirs[name].length);
      if (name !== "eventCursor" && name !== "auditCursor") expect(never[name], name).not.toBe(theirs[name]);
    }
  });
});

describe("without a token", () => {
  const closed = known.filter(({ path }) => !rootFields[path]?.isOpen);

  test("only an agent's enrolment is open", () => {
    const open = known.filter((root) => !closed.includes(root));
    expect(open.map(({ path }) => path)).toEqual(["Mutation.enrolAgent"]);
  });

  test.each(closed)("$path is refused as UNAUTHENTICATED", async (root) => {
    for (const answer of await answersOf(server, root, theirs, { token: null })) {
      expect(codesOf(answer)).toEqual(["UNAUTHENTICATED"]);
      expect(Object.values(answer.data ?? {}).filter((value) => value !== null)).toEqual([]);
    }
  });
});

describe("to a stranger", () => {
  test.each(known)("$path answers about another tenant's things as about things that never were", async (root) => {
    const answersTo = async (refs: References) => {
      const name = `stranger ${crypto.randomUUID()}`;
      const token = await makeStranger(server, name);
      // The owner's run comes first: a stream that told it would tell it first.
      const both = async () => {
        await stir(server, server.adminToken, { ref: theirs.actionName, context: { finding: { title: canary } } });
        await stir(server, token);
      };
      const answers = await answersOf(server, root, refs, { token, stir: both });
      return answers.map((answer) => comparable(answer, refs, name));
    };
    const [aboutTheirs, aboutNever] = [await answersTo(theirs), await answersTo(never)];
    // A stream that takes no reference tells the stranger's own runs, wherever they stand by then.
    if (!rootFields[root.path]?.isEndless) expect(aboutTheirs).toEqual(aboutNever);
    for (const text of aboutTheirs) {
      expect(text).not.toContain(canary);
      expect(text).not.toMatch(/"totalCount":([2-9]|\d\d)/);
      expect(text).not.toMatch(/"(INTERNAL|BAD_USER_INPUT|GRAPHQL_VALIDATION_FAILED|UNAUTHENTICATED)"/);
    }
  });

  test("nothing of the first tenant was changed by any of that", async () => {
    const after = await seededState();
    expect(after).toEqual(before);
  });

  let before: unknown;
  beforeAll(async () => {
    before = await seededState();
  });
});

/** What strangers have tried to change. */
async function seededState(): Promise<unknown> {
  const query = `query ($ref: ActionRef!, $key: String!, $approvalId: ID!) {
    tenantSettings { allowSelfApproval newActionsStartDisabled }
    action(ref: $ref) { enabled activeVersion { id version status } versions { totalCount } }
    playbook(key: $key) { enabled activeVersion { version } versions { totalCount } }
    actions { totalCount } playbooks { totalCount }
    secrets { edges { node { id name updatedAt } } }
    variables { edges { node { id value } } }
    apiTokens { edges { node { id revokedAt } } }
    node(id: $approvalId) { ... on Approval { status } }
    vendorPins { capability vendorId } liveActionPolicies { capability callsPerDay }
  }`;
  const { actionName: ref, playbookKey: key, approvalId } = theirs;
  const { data } = await send(server, server.adminToken, query, { ref, key, approvalId });
  expect(data).toBeTruthy();
  return data;
}

/** An answer as text, without what must differ between two callers or two sets of references. */
function comparable(answer: Answer, refs: References, callerName: string): string {
  const [value] = Object.values(answer.data ?? {}) as { __typename?: string }[];
  // A payload is about the caller's own, new thing.
  const shown = value?.__typename?.endsWith("Payload") ? { __typename: value.__typename } : answer;
  const known = Object.entries(refs).toSorted(([, a], [, b]) => b.length - a.length);
  let text = JSON.stringify(shown).replaceAll(callerName, "<caller>");
  for (const [name, reference] of known) text = text.replaceAll(reference, `<${name}>`);
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<uuid>")
    .replace(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"<instant>"')
    .replace(/"(id|cursor|startCursor|endCursor|lastCursor)":"[A-Za-z0-9+/_=-]+"/g, '"$1":"<opaque>"')
    .replace(/"[0-9a-f]{64}"/g, '"<hash>"')
    .replace(/"lastUsedAt":(null|"<instant>")/g, '"lastUsedAt":<written by the way>')
    .replace(/"durationMs":[\d.]+/g, '"durationMs":<ms>');
}
