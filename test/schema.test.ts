import { readFileSync } from "node:fs";
import {
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
  validateSchema,
} from "graphql";
import { describe, expect, test } from "vitest";
import { generateClient, generatedFile, invalidOperations, readOperations } from "../codegen.ts";
import { printedSchema, schemaFile } from "../scripts/print-schema.ts";
import { schema } from "../src/schema.ts";

describe("the schema", () => {
  test("is valid", () => {
    expect(validateSchema(schema)).toEqual([]);
  });

  test("is what schema.graphql says (npm run schema prints it anew)", () => {
    expect(readFileSync(schemaFile, "utf8")).toBe(printedSchema());
  });

  test("describes every type, field, argument and value", () => {
    expect(undescribed(schema)).toEqual([]);
  });

  test("accepts every document of client/operations", () => {
    const files = readOperations();
    expect(files.length).toBeGreaterThan(0);
    expect(invalidOperations(schema, files)).toEqual([]);
  });

  test("is what the typed client was generated from (npm run codegen does it anew)", async () => {
    expect(readFileSync(generatedFile, "utf8")).toBe(await generateClient(printedSchema()));
  });
});

interface Described {
  readonly name: string;
  readonly description?: string | null | undefined;
}

function undescribed(whole: GraphQLSchema): string[] {
  const missing: string[] = [];
  const look = ({ name, description }: Described, within = "") => {
    if (!description?.trim()) missing.push(`${within}${name}`);
  };
  for (const type of Object.values(whole.getTypeMap())) {
    if (isIntrospectionType(type) || isSpecifiedScalarType(type)) continue;
    look(type);
    if (isEnumType(type)) for (const value of type.getValues()) look(value, `${type.name}.`);
    if (isInputObjectType(type)) for (const field of Object.values(type.getFields())) look(field, `${type.name}.`);
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      look(field, `${type.name}.`);
      for (const argument of field.args) look(argument, `${type.name}.${field.name} `);
    }
  }
  return missing;
}
