import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { buildSchema, type GraphQLSchema, getOperationAST, getVariableValues, parse, validate } from "graphql";
import { describe, expect, test } from "vitest";
import { describeConfig } from "../../src/config.ts";

const root = path.resolve(import.meta.dirname, "../..");
const readme = readFileSync(path.join(root, "README.md"), "utf8");

interface Sent {
  readonly document: string;
  /** Undefined where they are made by a program. */
  readonly variables?: Record<string, unknown>;
}

/** What the README's commands send: the arguments of `gql`, and the queries of its programs. */
function documentsOf(text: string): Sent[] {
  const sent = [...text.matchAll(/^gql '([^']+)'(?: '((?:[^']|'\$\w+')+)')?$/gm)].map(
    ([, document = "", json = "{}"]) => ({
      document,
      variables: JSON.parse(json.replace(/'\$\w+'/g, "id")) as Record<string, unknown>,
    }),
  );
  const programs = [...text.matchAll(/const query = `([^`]+)`/g)].map(([, document = ""]) => ({ document }));
  return [...sent, ...programs];
}

function problemsOf(schema: GraphQLSchema, { document, variables }: Sent): string[] {
  const parsed = parse(document);
  const invalid = validate(schema, parsed).map(({ message }) => message);
  const operation = getOperationAST(parsed);
  if (invalid.length > 0 || variables === undefined || !operation) return invalid;
  const { errors = [] } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  return errors.map(({ message }) => message);
}

describe("README.md", () => {
  const schema = buildSchema(readFileSync(path.join(root, "schema.graphql"), "utf8"));
  const documents = documentsOf(readme);

  test("shows every operation it promises", () => {
    expect(documents.length).toBe(
      [...readme.matchAll(/^gql '/gm)].length + [...readme.matchAll(/const query = /g)].length,
    );
    const text = documents.map(({ document }) => document).join("\n");
    const fields = ["validateAction", "registerAction", "registerActionVersion", "rollbackAction", "setActionEnabled"];
    fields.push(
      "withdrawActionVersion",
      "actions",
      "executeAction",
      "validatePlaybook",
      "registerPlaybook",
      "executePlaybook",
    );
    fields.push("run", "runs", "stepUpdates", "runLogs", "putSecret", "putVariable");
    fields.push("emitEvent", "approvals", "decideApproval", "rerunFromFailure", "createApiToken");
    expect(fields.filter((field) => !new RegExp(`\\b${field}\\(`).test(text))).toEqual([]);
  });

  test.each(documents)("sends what the schema accepts: $document", (sent) => {
    expect(problemsOf(schema, sent)).toEqual([]);
  });

  test("lists every variable of the configuration", () => {
    expect(readme).toContain(describeConfig());
  });

  test("names only files that exist", () => {
    const pages = [
      "README.md",
      ...["architecture", "definitions", "playbooks", "approvals", "events", "adding-an-operation"].map(
        (name) => `docs/${name}.md`,
      ),
    ];
    const missing = pages.flatMap((page) => {
      const text = readFileSync(path.join(root, page), "utf8");
      const linked = [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, link = ""]) =>
        path.join(path.dirname(page), link),
      );
      const named = [...text.matchAll(/`((?:src|examples|client|test|docs|migrations)\/[\w./-]+)`/g)].map(
        ([, name = ""]) => name,
      );
      return [...linked, ...named]
        .filter((name) => !existsSync(path.join(root, name)))
        .map((name) => `${page}: ${name}`);
    });
    expect(missing).toEqual([]);
  });
});
