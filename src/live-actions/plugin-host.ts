import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Log } from "../core/log.ts";
import { Plugin } from "./plugin.ts";
import { adapterOf } from "./plugin-adapter.ts";
import type { Registry } from "./registry.ts";

export interface Plugins {
  /** Ends every plugin; calls under way fail. */
  stop(): Promise<void>;
}

interface PluginHostParts {
  /** Paths of modules, taken from `directory`, and names of packages. */
  readonly modules: readonly string[];
  readonly directory: string;
  /** Gets an adapter for each pair that a plugin registers. */
  readonly registry: Registry;
  readonly log: Log;
}

/**
 * Starts every plugin, each in a thread of its own, and registers what they offer.
 * @throws Error that names each plugin that can't be used, and why; none is left running then.
 */
export async function startPlugins({ modules, directory, registry, log }: PluginHostParts): Promise<Plugins> {
  const plugins: Plugin[] = [];
  const stop = async () => {
    await Promise.all(plugins.map((plugin) => plugin.stop()));
  };
  const starts = modules.map(async (origin, index) => {
    if (modules.indexOf(origin) !== index) throw new Error("it is named twice.");
    const plugin = new Plugin({ origin, specifier: specifierOf(origin, directory), log });
    plugins.push(plugin);
    return { plugin, declarations: await plugin.start() };
  });
  const started = await Promise.allSettled(starts);
  const problems: string[] = [];
  for (const [index, result] of started.entries()) {
    const origin = modules[index] ?? "";
    try {
      if (result.status === "rejected") throw result.reason;
      const { plugin, declarations } = result.value;
      for (const declared of declarations) {
        registry.register(adapterOf(declared, plugin.ask), { source: "PLUGIN", origin });
      }
    } catch (error) {
      problems.push(`  ${origin}: ${(error as Error).message}`);
    }
  }
  if (problems.length === 0) return { stop };
  await stop();
  throw new Error(`PLUGINS names what can't be used:\n${problems.join("\n")}`);
}

/** What a thread imports. A name that is no file's is a package's. @throws Error for a path where nothing is. */
function specifierOf(origin: string, directory: string): string {
  const file = origin.startsWith("file:") ? fileURLToPath(origin) : path.resolve(directory, origin);
  if (existsSync(file)) {
    if (statSync(file).isFile()) return origin.startsWith("file:") ? origin : pathToFileURL(file).href;
    if (/^([./]|file:)/.test(origin)) throw new Error(`${file} is a directory. Name the module's file in it.`);
  }
  if (/^([./]|file:)/.test(origin)) throw new Error(`there is no file ${file}.`);
  return origin;
}
