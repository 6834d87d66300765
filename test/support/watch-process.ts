// Loaded by `--import` into processes of ours that a test starts, before anything else (watched-processes.ts). Whatever they take for a secret, log, answer
// and store is written down for the test file's own watch, in a file that the URL names. At once: a process may be killed at any moment.
import { openSync, writeSync } from "node:fs";
import { registerHooks } from "node:module";
import { isMainThread } from "node:worker_threads";
import pg from "pg";
import { clientConfig } from "../../src/database/address.ts";
import { textsInDatabase } from "./database-leaks.ts";
import { watchedModules } from "./watched-modules.ts";
import type { Report } from "./watched-processes.ts";

type EmbeddedPostgres = typeof import("../../src/database/embedded-postgres.ts");
type Exports = Readonly<Record<string, (actual: never) => unknown>>;

const file = new URL(import.meta.url).searchParams.get("file");
const descriptor = isMainThread && file !== null ? openSync(file, "a") : undefined;

function tell(...report: Report): void {
  if (descriptor !== undefined) writeSync(descriptor, `${JSON.stringify(report)}\n`);
}

/** What a database of this process's own holds is told when all else of the process is closed. */
function watchedPostgres(actual: EmbeddedPostgres): EmbeddedPostgres["startEmbeddedPostgres"] {
  return async (options) => {
    const postgres = await actual.startEmbeddedPostgres(options);
    tell("opened", options.dataDirectory);
    const end = async () => {
      const client = new pg.Client(clientConfig(postgres.address));
      await client.connect();
      for (const { column, text } of await textsInDatabase(client)) tell("column", column, text);
      await client.end();
      tell("read", options.dataDirectory);
      await postgres.stop();
    };
    let ended: Promise<void> | undefined;
    return Object.assign(Object.create(postgres), { stop: () => (ended ??= end()) });
  };
}

const modules: Readonly<Record<string, Exports>> = {
  ...watchedModules({
    secret: (value, origin) => tell("secret", value, origin),
    log: (line) => tell("log", line),
    answer: (connection, text) => tell("answer", String(connection), text),
  }),
  "database/embedded-postgres.ts": { startEmbeddedPostgres: watchedPostgres },
};

/** What the module in `src/` exports, but for what stands in its place. */
export function watched(name: string, actual: object): Readonly<Record<string, unknown>> {
  const changes = Object.entries(modules[name] ?? {});
  return Object.fromEntries(changes.map(([key, change]) => [key, change(actual as never)]));
}

const source = new URL("../../src/", import.meta.url).href;
if (descriptor !== undefined) {
  registerHooks({
    load(url, context, next) {
      const name = url.startsWith(source) ? url.slice(source.length) : "";
      const names = Object.keys(modules[name] ?? {});
      if (names.length === 0) return next(url, context);
      return { format: "module", shortCircuit: true, source: standIn({ name, url, names }) };
    },
  });
}

/** A module that exports the same as the one of this URL, which is loaded by another. */
function standIn({ name, url, names }: { readonly name: string; readonly url: string; readonly names: string[] }) {
  const actual = JSON.stringify(`${url}?unwatched`);
  return `
    import * as actual from ${actual};
    import { watched } from ${JSON.stringify(import.meta.url)};
    export * from ${actual};
    export const { ${names.join(", ")} } = watched(${JSON.stringify(name)}, actual);`;
}
