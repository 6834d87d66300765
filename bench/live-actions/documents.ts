import { readFileSync } from "node:fs";
import path from "node:path";
import { Kind, type OperationDefinitionNode, parse, print } from "graphql";

const directory = path.join(import.meta.dirname, "../../client/operations");

/** One operation of the client's documents with the fragments that stand in the same file or in the others: what a client sends. */
export function clientOperation(name: string): string {
  const files = ["live-actions", "actions", "administration", "runs", "playbooks", "approvals"];
  const definitions = files.flatMap(
    (file) => parse(readFileSync(path.join(directory, `${file}.graphql`), "utf8")).definitions,
  );
  const operation = definitions.find(
    (definition): definition is OperationDefinitionNode =>
      definition.kind === Kind.OPERATION_DEFINITION && definition.name?.value === name,
  );
  if (!operation) throw new Error(`The client has no operation ${name}.`);
  const parts = [print(operation)];
  const asked = new Set<string>();
  for (let index = 0; index < parts.length; index += 1) {
    for (const [, fragment] of parts[index]!.matchAll(/\.\.\.(?!\s*on\b)\s*(\w+)/g)) {
      if (fragment === undefined || asked.has(fragment)) continue;
      asked.add(fragment);
      const found = definitions.find(({ kind, ...node }) => {
        return kind === Kind.FRAGMENT_DEFINITION && "name" in node && node.name?.value === fragment;
      });
      if (!found) throw new Error(`The client has no fragment ${fragment}.`);
      parts.push(print(found));
    }
  }
  return parts.join("\n");
}
