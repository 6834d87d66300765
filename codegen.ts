// npm run codegen: typed documents of client/operations for any client of graphql-request, in client/generated/graphql.ts.
// The preset is driven directly: the command-line tool around it brings 200 packages to load schemas from elsewhere.
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { preset } from "@graphql-codegen/client-preset";
import { codegen } from "@graphql-codegen/core";
import { buildSchema, concatAST, type DocumentNode, type GraphQLSchema, parse, Source, validate } from "graphql";

export const generatedFile = path.join(import.meta.dirname, "client/generated/graphql.ts");

/** A file of client/operations. */
export interface OperationsFile {
  readonly location: string;
  readonly text: string;
  readonly document: DocumentNode;
}

/** What clients send, file by file. Fragments may be used across files. */
export function readOperations(): OperationsFile[] {
  const directory = path.join(import.meta.dirname, "client/operations");
  return globSync("*.graphql", { cwd: directory })
    .sort()
    .map((location) => {
      const text = readFileSync(path.join(directory, location), "utf8");
      return { location, text, document: parse(new Source(text, location)) };
    });
}

/** Every problem of the documents, as `file:line: message`. */
export function invalidOperations(schema: GraphQLSchema, files: readonly OperationsFile[]): string[] {
  return validate(schema, concatAST(files.map(({ document }) => document))).map(({ message, nodes }) => {
    const { source, startToken } = nodes?.[0]?.loc ?? {};
    return `${source?.name}:${startToken?.line}: ${message}`;
  });
}

/** The text of client/generated/graphql.ts for a schema. @throws Error naming every document that is not valid. */
export async function generateClient(sdl: string): Promise<string> {
  const schemaAst = buildSchema(sdl);
  const files = readOperations();
  const problems = invalidOperations(schemaAst, files);
  if (problems.length > 0) throw new Error(`client/operations does not fit schema.graphql:\n${problems.join("\n")}`);
  const outputs = await preset.buildGeneratesSection({
    baseOutputDir: "client/generated/",
    schema: parse(sdl),
    schemaAst,
    documents: files.map(({ location, text, document }) => ({ location, document, rawSDL: text, hash: text })),
    plugins: [],
    pluginMap: {},
    pluginContext: {},
    config: {
      useTypeImports: true,
      enumsAsTypes: true,
      strictScalars: true,
      scalars: { ID: "string", DateTime: "string", JSON: "unknown", ActionRef: "string", UUID: "string" },
      documentMode: "documentNode",
      importExtension: ".ts",
    },
    presetConfig: { fragmentMasking: false },
    profiler: { run: async (work: () => Promise<unknown>) => work(), collect: () => [] } as never,
    cache: async (_namespace: string, _key: string, make: () => Promise<unknown>) => make() as never,
  });
  const types = outputs.find(({ filename }) => path.basename(filename) === "graphql.ts");
  if (types === undefined) throw new Error("The preset no longer generates graphql.ts.");
  return codegen(types);
}

if (import.meta.main) {
  const text = await generateClient(readFileSync(path.join(import.meta.dirname, "schema.graphql"), "utf8"));
  mkdirSync(path.dirname(generatedFile), { recursive: true });
  writeFileSync(generatedFile, text);
}
