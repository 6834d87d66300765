import { readFile } from "node:fs/promises";
import { findPackageJSON } from "node:module";
import path from "node:path";
import { sha256 } from "./core/json.ts";
import { limits } from "./core/limits.ts";

/** The program of the on-premises agents, as one file. */
export interface AgentFile {
  /** JavaScript that Node 20 or newer runs as it is. The same text for the same version of the product. */
  readonly text: string;
  /** SHA-256 of the text, hex. */
  readonly sha256: string;
  /** Where the server serves it. */
  readonly path: string;
}

export const agentFilePath = "/opservant/agent.mjs";

/**
 * Where the agent's program comes from: bundled once, with all that it imports, when it is first asked for. That takes about a tenth of a second,
 * in a process of esbuild's that ends with it.
 * @returns A function that rejects when esbuild does not run here; it tries anew after `limits.agentFileRetryMs`.
 */
export function createAgentFile(): () => Promise<AgentFile> {
  let made: Promise<AgentFile> | undefined;
  return () => {
    made ??= bundle().catch((error: unknown) => {
      setTimeout(() => {
        made = undefined;
      }, limits.agentFileRetryMs).unref();
      throw error;
    });
    return made;
  };
}

/** Keeps ws from looking for its addons, which are not there, in directories that are not ours. */
const withoutAddons = Object.fromEntries(
  ["WS_NO_BUFFER_UTIL", "WS_NO_UTF_8_VALIDATE"].map((name) => [["process", "env", name].join("."), '"1"']),
);

async function bundle(): Promise<AgentFile> {
  // Loaded only for this: no start of a server is to wait for it.
  const { build, stop } = await import("esbuild");
  const root = path.join(import.meta.dirname, "..");
  const { version } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8")) as { version: string };
  const built = await build({
    entryPoints: ["src/agent/main.ts"],
    absWorkingDir: root,
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "silent",
    define: { bundledVersion: JSON.stringify(version), ...withoutAddons },
    banner: { js: await bannerOf(version) },
  });
  await stop();
  const text = built.outputFiles[0]?.text ?? "";
  return { text, sha256: sha256(text), path: agentFilePath };
}

/** What stands first in the file: what it is, the notices that the licences of its parts ask for, and `require` for ws, which is CommonJS. */
async function bannerOf(version: string): Promise<string> {
  const licences = await Promise.all([licenceOf("graphql-ws", "LICENSE.md"), licenceOf("ws", "LICENSE")]);
  return `/*
Riposte: the Opservant agent, version ${version}. Apache-2.0. Run it with --help.
It contains these packages.

${licences.join("\n\n").replaceAll("*/", "")}
*/
import { createRequire as createRequireOfNode } from "node:module";
const require = createRequireOfNode(import.meta.url);`;
}

async function licenceOf(name: string, file: string): Promise<string> {
  const manifest = findPackageJSON(name, import.meta.url);
  if (manifest === undefined) throw new Error(`The package ${name} is not installed.`);
  return `${name}\n\n${(await readFile(path.join(path.dirname(manifest), file), "utf8")).trim()}`;
}
