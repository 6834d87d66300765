import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { getIntrospectionQuery, type OperationDefinitionNode, print } from "graphql";
import { describe, expect, test } from "vitest";
import { createDocuments } from "../../src/graphql/documents.ts";
import { costError } from "../../src/graphql/operation-cost.ts";
import { schema } from "../../src/schema.ts";

const directory = path.join(import.meta.dirname, "../../client/operations");
const files = readdirSync(directory).filter((name) => name.endsWith(".graphql"));
const documents = createDocuments(schema, "on");

describe("GraphiQL", () => {
  test("may ask for the whole schema within the bounds", () => {
    const query = getIntrospectionQuery({
      inputValueDeprecation: true,
      oneOf: true,
      schemaDescription: true,
      specifiedByUrl: true,
    });
    expect(documents.validate(documents.parse(query))).toEqual([]);
  });
});

describe.each(files)("the operations of %s", (file) => {
  const document = documents.parse(readFileSync(path.join(directory, file), "utf8"));
  const operations = document.definitions.filter((definition) => definition.kind === "OperationDefinition");
  // Mutations have no pages: what they weigh does not depend on their variables.
  const reads = operations.filter(({ operation }) => operation !== "mutation");

  test("are accepted word for word, within the bounds", () => {
    expect(documents.validate(document).map(({ message }) => message)).toEqual([]);
  });

  test.each(reads.map((operation) => [operation.name?.value, operation] as const))(
    "%s costs no more than is allowed with pages of 50",
    (_name, operation) => {
      expect(costError({ schema, document, operation, variables: variablesFor(operation) })).toBeUndefined();
    },
  );
});

const samples: Readonly<Record<string, unknown>> = {
  Int: 50,
  ID: "id",
  String: "text",
  ActionRef: "name",
  UUID: "00000000-0000-7000-8000-000000000000",
  DateTime: "2026-11-21T00:00:00.000Z",
};

/** A page of 50 for whatever is a page, and something for what is required. */
function variablesFor({ variableDefinitions = [] }: OperationDefinitionNode): Record<string, unknown> {
  return Object.fromEntries(
    variableDefinitions
      .map(({ variable, type }) => [variable.name.value, samples[print(type).replace("!", "")]] as const)
      .filter(([, value]) => value !== undefined),
  );
}
