// npm run schema: prints the schema into schema.graphql, sorted, so that a change of the API is one readable diff.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { lexicographicSortSchema, printSchema } from "graphql";
import { schema } from "../src/schema.ts";

export const schemaFile = path.join(import.meta.dirname, "../schema.graphql");

export function printedSchema(): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`;
}

if (import.meta.main) writeFileSync(schemaFile, printedSchema());
