import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import {
  ActionDetailDocument,
  RegisterActionDocument,
  RegisterActionVersionDocument,
  RegisterPlaybookDocument,
  SetActionEnabledDocument,
} from "../client/generated/graphql.ts";
import type { Connection } from "./server-connection.ts";
import { ExampleError, green, say, yellow } from "./terminal.ts";

const directory = import.meta.dirname;

/** Programs that a package needs on the machine of the server; here that is this machine. */
const needs: Readonly<Record<string, readonly string[]>> = {
  "block-ip-python": ["python3"],
  "block-ip-shell": ["bash", "curl"],
};

interface Package {
  readonly definition: {
    readonly name: string;
    readonly version: string;
    readonly executor: { readonly type: string };
  };
  readonly files: { readonly path: string; readonly content: string }[];
}

/** Registers every package of `actions/` that can run here. What is there already stays as it is. @returns The names of those that can run. */
export async function registerActions(connection: Connection): Promise<string[]> {
  const names = (await readdir(path.join(directory, "actions"))).sort();
  const runnable: string[] = [];
  for (const name of names) {
    const missing = (needs[name] ?? []).filter((program) => !isInstalled(program));
    if (missing.length > 0) {
      say(`  ${name.padEnd(20)} ${yellow("left out")}: ${missing.join(" and ")} not installed here`);
      continue;
    }
    const { definition, files } = await readPackage(name);
    const outcome = await register(connection, { definition, files });
    say(`  ${name.padEnd(20)} ${definition.version}  ${definition.executor.type.padEnd(6)}  ${outcome}`);
    runnable.push(name);
  }
  return runnable;
}

/** Registers the playbook; the same text again is no conflict. @returns Its key. */
export async function registerPlaybook(connection: Connection, fileName: string): Promise<string> {
  const source = await readFile(path.join(directory, "playbooks", fileName), "utf8");
  const { registerPlaybook: result } = await connection.request(RegisterPlaybookDocument, { input: { source } });
  if (result.__typename !== "RegisterPlaybookPayload") throw refusal(fileName, result);
  const { playbook, version, warnings } = result;
  say(`  ${playbook.key} ${version.version}  ${version.graph.nodes.length} steps`);
  for (const { message, line } of warnings) say(yellow(`  line ${line}: ${message}`));
  return playbook.key;
}

async function readPackage(name: string): Promise<Package> {
  const folder = path.join(directory, "actions", name);
  const definition = JSON.parse(await readFile(path.join(folder, "definition.json"), "utf8")) as Package["definition"];
  const scripts = (await readdir(folder)).filter((file) => file !== "definition.json");
  const files = await Promise.all(
    scripts.map(async (file) => ({ path: file, content: await readFile(path.join(folder, file), "utf8") })),
  );
  return { definition, files };
}

async function register(connection: Connection, input: Package): Promise<string> {
  const { name, version } = input.definition;
  const { action } = await connection.request(ActionDetailDocument, { ref: name });
  if (!action) {
    const { registerAction: result } = await connection.request(RegisterActionDocument, { input });
    if (result.__typename !== "RegisterActionPayload") throw refusal(name, result);
    if (!result.action.enabled) await enable(connection, name);
    return green("registered");
  }
  if (!action.enabled) await enable(connection, name);
  if (action.versions.edges.some(({ node }) => node.version === version)) return "is there already";
  const { registerActionVersion: result } = await connection.request(RegisterActionVersionDocument, { input });
  if (result.__typename !== "RegisterActionVersionPayload") throw refusal(name, result);
  return green("registered as a further version");
}

async function enable(connection: Connection, ref: string): Promise<void> {
  const { setActionEnabled: result } = await connection.request(SetActionEnabledDocument, {
    input: { ref, enabled: true },
  });
  if (result.__typename !== "SetActionEnabledPayload") throw refusal(ref, result);
}

interface Refused {
  readonly message?: string;
  readonly issues?: readonly { readonly path: string; readonly message: string; readonly line?: number | null }[];
}

function refusal(what: string, { message, issues = [] }: Refused): ExampleError {
  const lines = issues.map((issue) => `  ${issue.line ? `line ${issue.line}, ` : ""}${issue.path}: ${issue.message}`);
  return new ExampleError([`${what} is refused: ${message ?? ""}`, ...lines].join("\n"));
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}
