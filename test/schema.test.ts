import { readFileSync } from "node:fs";
import { validateSchema } from "graphql";
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

  test("accepts every document of client/operations", () => {
    const files = readOperations();
    expect(files.length).toBeGreaterThan(0);
    expect(invalidOperations(schema, files)).toEqual([]);
  });

  test("is what the typed client was generated from (npm run codegen does it anew)", async () => {
    expect(readFileSync(generatedFile, "utf8")).toBe(await generateClient(printedSchema()));
  });
});
