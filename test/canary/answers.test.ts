import { readFileSync } from "node:fs";
import {
  buildSchema,
  type GraphQLField,
  type GraphQLInputType,
  getNamedType,
  isInputObjectType,
  isUnionType,
} from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CanaryWorld } from "./canary-world.ts";
import { canary } from "./forms.ts";

// Beside test/graphql/errors.test.ts and test/secrets/graphql.test.ts (each way in which a document can be wrong): every mutation there is,
// with a secret as a value of the wrong type in every place of its input.

const secret = canary("in a wrong place");
const schema = buildSchema(readFileSync(new URL("../../schema.graphql", import.meta.url), "utf8"));
const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});

let world: CanaryWorld;
beforeAll(async () => {
  world = await CanaryWorld.open();
});
afterAll(() => world.close());

/** Whatever takes no plain text: there, a secret would be what the caller calls something. */
const wrongValues = [{ value: secret }, [[secret]], [{ value: [secret] }], { [secret]: secret }];

function inputsOf(type: GraphQLInputType): unknown[] {
  const named = getNamedType(type);
  if (!isInputObjectType(named)) throw new Error(`${named.name} is no input.`);
  const fields = Object.keys(named.getFields());
  const allOf = (value: unknown) => Object.fromEntries(fields.map((field) => [field, value]));
  return [secret, [secret], { other: secret }, { [fields[0] ?? ""]: { a: secret } }, ...wrongValues.map(allOf)];
}

/** What a mutation answers besides its payload. */
function failuresOf({ type }: GraphQLField<unknown, unknown>): string {
  const union = getNamedType(type);
  const hasIssues = isUnionType(union) && union.getTypes().some(({ name }) => name === "ValidationFailure");
  return `... on Failure { code message } ${hasIssues ? "... on ValidationFailure { issues { path code message } }" : ""}`;
}

describe("a secret where none may stand", () => {
  test.each(mutations.map((field) => [field.name, field] as const))("in %s is told nobody", async (name, field) => {
    const [input] = field.args;
    if (!input) throw new Error(`${name} takes an input.`);
    for (const value of inputsOf(input.type)) {
      const query = `mutation($input: ${input.type}) { ${name}(input: $input) { __typename ${failuresOf(field)} } }`;
      const answer = await world.answer(JSON.stringify({ query, variables: { input: value } }));
      expect(answer).toMatch(/"errors"|Failure/);
      await world.answer(JSON.stringify({ query, variables: value }));
      const inline = JSON.stringify(value).replaceAll(/"([A-Za-z]\w*)":/g, "$1:");
      await world.answer(JSON.stringify({ query: `mutation { ${name}(input: ${inline}) { __typename } }` }));
    }
    await world.expectClean(secret);
  });

  test("in what is no request at all is told nobody", async () => {
    const bodies = [
      secret,
      `{"query": ${secret}`,
      `{"query": "{ viewer { name } }", "variables": "${secret}`,
      `["${secret}"]`,
      `"${secret}"`,
    ];
    for (const body of bodies) expect(await world.answer(body)).toContain("BAD_REQUEST");
    await world.answer(JSON.stringify({ query: "{ viewer { name } }", variables: [secret], operationName: secret }));
    await world.answer(
      JSON.stringify({ query: "{ viewer { name } }", variables: {}, operationName: [secret], extensions: secret }),
    );
    await world.answer(JSON.stringify({ query: `{ viewer { name(of: "${secret}") } } # ${secret}` }));
    await world.expectClean(secret);
  });
});
