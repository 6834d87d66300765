import { AttemptRefused } from "../core/attempt-refused.ts";
import type { Issue } from "../core/failures.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import { nameHint } from "../core/nearest-name.ts";
import type { PackageFile } from "../executors/executor.ts";
import { buildRequest, readUrl } from "../executors/remote-request.ts";
import { ExpressionSyntaxError } from "../expressions/syntax-error.ts";
import { parseTemplate } from "../expressions/template.ts";
import { pathProblem } from "./package.ts";
import { targetOutline } from "./remote-target.ts";

/** What JSON Schema can't say about the executor and the files it needs. Templates are checked with the mappings. */
export function executorIssues(executor: Json | undefined, files: readonly PackageFile[]): Issue[] {
  if (!isJsonObject(executor)) return [];
  switch (executor["type"]) {
    case "local":
      return [
        ...misplaced(executor, ["method", "headers", "entry"]),
        ...scriptIssues(executor["target"], "$.executor.target", files),
      ];
    case "remote":
      return [
        ...misplaced(executor, ["entry"]),
        ...urlIssues(executor["target"]),
        ...headerIssues(executor["headers"]),
      ];
    case "opservant":
      return [...misplaced(executor, ["method", "headers"]), ...entryIssues(executor["entry"], files)];
    default:
      return [];
  }
}

const belongsTo: Readonly<Record<string, string>> = { method: "remote", headers: "remote", entry: "opservant" };

function misplaced(executor: JsonObject, fields: readonly string[]): Issue[] {
  return fields
    .filter((field) => executor[field] !== undefined)
    .map((field) => ({
      path: `$.executor.${field}`,
      code: "misplaced",
      message: `${field} belongs to an executor of type ${belongsTo[field]}; this one is ${executor["type"]}.`,
    }));
}

function scriptIssues(script: Json | undefined, path: string, files: readonly PackageFile[]): Issue[] {
  if (typeof script !== "string" || script === "") return [];
  const problem = pathProblem(script);
  if (problem) return [{ path, code: "outside_package", message: `This is to be a file of the package. ${problem}` }];
  const file = files.find((candidate) => candidate.path === script);
  if (!file) {
    const paths = files.map((candidate) => candidate.path);
    const hint = nameHint(script, paths) || (paths.length === 0 ? " No files were given." : "");
    return [{ path, code: "not_in_package", message: `The package has no file ${shown(script)}.${hint}` }];
  }
  const isRunnable =
    /\.(py|sh|js|mjs)$/i.test(script) || Buffer.from(file.content.subarray(0, 2)).toString("latin1") === "#!";
  if (isRunnable) return [];
  const message = `Nothing says what runs ${shown(script)}: it ends in none of .py, .sh, .js and .mjs and has no #! line.`;
  return [{ path, code: "no_interpreter", message }];
}

function entryIssues(entry: Json | undefined, files: readonly PackageFile[]): Issue[] {
  if (entry !== undefined) return scriptIssues(entry, "$.executor.entry", files);
  if (files.length === 1) return scriptIssues(files[0]!.path, "$.executor.entry", files);
  const message =
    files.length === 0
      ? "An opservant action needs a package with the script that the agent runs."
      : "Say which file of the package the agent runs: there are several.";
  return [{ path: "$.executor.entry", code: "required", message }];
}

function urlIssues(target: Json | undefined): Issue[] {
  if (typeof target !== "string" || target === "") return [];
  return refusals("$.executor.target", () => {
    const outline = targetOutline(target);
    if (outline !== undefined) readUrl(outline);
  });
}

function headerIssues(headers: Json | undefined): Issue[] {
  if (!isJsonObject(headers)) return [];
  const issues: Issue[] = [];
  const seen = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    const path = childPath("$.executor.headers", name);
    const same = seen.get(name.toLowerCase());
    if (same !== undefined)
      issues.push({ path, code: "duplicate", message: `This is the same header as ${shown(same)}.` });
    seen.set(name.toLowerCase(), name);
    if (name.toLowerCase() === "idempotency-key") {
      issues.push({
        path,
        code: "invalid_header",
        message: "Every attempt gets an Idempotency-Key from the executor.",
      });
    } else if (typeof value === "string") issues.push(...headerProblems(path, name, value));
  }
  return issues;
}

/** What the executor would refuse at every attempt, asked of the executor itself. */
function headerProblems(path: string, name: string, value: string): Issue[] {
  return refusals(path, () => {
    const literal = parseTemplate(value).parts.filter((part) => typeof part === "string");
    const headers = { [name]: literal.join("") };
    const call = { type: "remote", method: "POST", url: "https://host/", headers } as const;
    buildRequest({ call, idempotencyKey: "key" });
  });
}

function refusals(path: string, attempt: () => void): Issue[] {
  try {
    attempt();
    return [];
  } catch (error) {
    // A template that can't be read is reported by the check of templates.
    if (error instanceof ExpressionSyntaxError) return [];
    if (error instanceof AttemptRefused) return [{ path, ...error.error }];
    throw error;
  }
}
