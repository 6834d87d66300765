import type { Issue } from "../core/failures.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import { nameHint } from "../core/nearest-name.ts";
import { conditionIssues } from "../expressions/conditions.ts";
import { formatPath, type Path } from "../expressions/paths.ts";
import { scopeRoots } from "../expressions/scope.ts";
import { isTemplate, templateIssues, templatePaths } from "../expressions/template.ts";
import { isEntryName } from "../secrets/names.ts";
import { secretReference } from "./definition.ts";
import { targetPositions } from "./remote-target.ts";

/** What the definition declares, as far as it can be read. */
interface Declared {
  readonly names: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
  readonly isRemote: boolean;
  /** GET and DELETE carry what they send in the query, where secrets would end in logs. */
  readonly isInQuery: boolean;
}

/** Problems of everything in a definition that is worked out at run time: conditions, mappings, headers and the target. */
export function runtimeIssues(definition: JsonObject): Issue[] {
  const declared = readDeclared(definition);
  const executor = isJsonObject(definition["executor"]) ? definition["executor"] : {};
  return [
    ...conditionsIssues(definition["conditions"], declared),
    ...inputMappingIssues(definition["input_mapping"], declared),
    ...(declared.isRemote
      ? [...headerIssues(executor["headers"], declared), ...targetIssues(executor["target"], declared)]
      : []),
  ];
}

function readDeclared({ parameters, executor }: JsonObject): Declared {
  const named = (Array.isArray(parameters) ? (parameters as readonly Json[]) : [])
    .filter(isJsonObject)
    .filter(({ name }) => typeof name === "string");
  const { type, method } = isJsonObject(executor) ? executor : {};
  return {
    names: new Set(named.map(({ name }) => String(name))),
    secrets: new Set(named.filter((parameter) => parameter["type"] === "secret").map(({ name }) => String(name))),
    isRemote: type === "remote",
    isInQuery: type === "remote" && (method === "GET" || method === "DELETE"),
  };
}

function conditionsIssues(conditions: Json | undefined, declared: Declared): Issue[] {
  if (conditions === undefined) return [];
  const path = "$.conditions";
  const secretMessage = "Conditions can't read secrets: whether an action was skipped would tell of their value.";
  return [
    ...conditionIssues(conditions, path, scopeRoots),
    ...referenceIssues(conditions, path, { declared, secretMessage }),
  ];
}

function inputMappingIssues(mapping: Json | undefined, declared: Declared): Issue[] {
  if (!isJsonObject(mapping)) return [];
  return Object.entries(mapping).flatMap(([key, value]) => {
    const path = childPath("$.input_mapping", key);
    if (declared.names.has(key))
      return parameterMappingIssues(value, path, { declared, isSecret: declared.secrets.has(key) });
    if (!declared.isRemote) {
      const message = `There is no parameter ${shown(key)}.${nameHint(key, declared.names)} Only for a remote executor do other names rename.`;
      return [{ path, code: "unknown_parameter", message }];
    }
    return renameIssues(value, path, declared);
  });
}

/** A value that a parameter takes when the caller gives none. */
function parameterMappingIssues(
  value: Json,
  path: string,
  { declared, isSecret }: { readonly declared: Declared; readonly isSecret: boolean },
): Issue[] {
  const reference = secretReference(value);
  if (reference !== undefined && isSecret) {
    const message = "This is no name of the credential store: those have 1 to 128 of A-Z, a-z, 0-9, _, . and -.";
    return isEntryName(reference) ? [] : [{ path: `${path}.$secret`, code: "wrong_format", message }];
  }
  if (isSecret && (typeof value !== "string" || !isTemplate(value))) return [literalSecret(path)];
  const secretMessage = "A secret can't become the value of another parameter; refer to the credential store instead.";
  return [
    ...misplacedReferences(value, path),
    ...templateIssues(value, path, scopeRoots),
    ...referenceIssues(value, path, { declared, secretMessage }),
  ];
}

function literalSecret(path: string): Issue {
  const message =
    'A secret is not written into a definition: put it into the credential store, and write {"$secret": "its name"}.';
  return { path, code: "literal_secret", message };
}

/** A field of a remote executor's body or query. */
function renameIssues(value: Json, path: string, declared: Declared): Issue[] {
  const secretMessage = "GET and DELETE send this in the query, and secrets never go there: use a header.";
  return [
    ...misplacedReferences(value, path),
    ...templateIssues(value, path, scopeRoots),
    ...referenceIssues(value, path, { declared, ...(declared.isInQuery ? { secretMessage } : {}) }),
  ];
}

function misplacedReferences(value: Json, path: string): Issue[] {
  if (!holdsReference(value)) return [];
  const message =
    "$secret gives a parameter of type secret its value; declare one, and use it here as {{ parameters.name }}.";
  return [{ path, code: "misplaced", message }];
}

/** Documents are at most `limits.documentDepthMax` deep by now. */
function holdsReference(value: Json): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.hasOwn(value, "$secret") || Object.values(value).some((inner) => holdsReference(inner as Json));
}

function headerIssues(headers: Json | undefined, declared: Declared): Issue[] {
  if (!isJsonObject(headers)) return [];
  return Object.entries(headers).flatMap(([name, value]) => {
    const path = childPath("$.executor.headers", name);
    if (secretReference(value) !== undefined) return [];
    return [...templateIssues(value, path, scopeRoots), ...referenceIssues(value, path, { declared })];
  });
}

function targetIssues(target: Json | undefined, declared: Declared): Issue[] {
  if (typeof target !== "string") return [];
  const path = "$.executor.target";
  const issues = [...templateIssues(target, path, scopeRoots), ...referenceIssues(target, path, { declared })];
  // What can't be read has no positions, and is reported by now.
  if (templateIssues(target, path).length > 0) return issues;
  for (const { path: found, position } of targetPositions(target)) {
    if (position === "origin" && found[0] !== "env") {
      const message = `${formatPath(found)} can't choose the host: only the tenant's variables (env) may, or a template that is the whole target.`;
      issues.push({ path, code: "host_from_value", message });
    }
    if (position === "query" && declared.secrets.has(nameIn(found) ?? "")) {
      const message = `${formatPath(found)} is a secret, and secrets never go into a query: use a header.`;
      issues.push({ path, code: "secret_in_query", message });
    }
  }
  return issues;
}

interface ReferenceCheck {
  readonly declared: Declared;
  /** Why no secret may stand here; left out where one may. */
  readonly secretMessage?: string;
}

/** What the templates of a value say about the action's own parameters. */
function referenceIssues(value: Json, path: string, { declared, secretMessage }: ReferenceCheck): Issue[] {
  const issues = new Map<string, Issue>();
  for (const found of templatePaths(value)) {
    if (found[0] !== "parameters") continue;
    const name = nameIn(found);
    const key = formatPath(found);
    if (name === undefined) {
      const message = `${key} would hand over all of them, secrets too: name one, such as {{ parameters.name }}.`;
      issues.set(key, { path, code: "unknown_parameter", message });
    } else if (!declared.names.has(name)) {
      const message = `There is no parameter ${shown(name)}.${nameHint(name, declared.names)}`;
      issues.set(key, { path, code: "unknown_parameter", message });
    } else if (secretMessage !== undefined && declared.secrets.has(name)) {
      const code = declared.isInQuery && path.startsWith("$.input_mapping") ? "secret_in_query" : "secret_not_allowed";
      issues.set(key, { path, code, message: secretMessage });
    }
  }
  return [...issues.values()];
}

/** The parameter that a path begins with; undefined for other roots and for `parameters` alone. */
export function nameIn(path: Path): string | undefined {
  return path[0] === "parameters" && path.length > 1 ? String(path[1]) : undefined;
}
