// npm run rotate-key: see docs/secrets.md.
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Config, readConfig } from "./config.ts";
import { limits } from "./core/limits.ts";
import { createLog } from "./core/log.ts";
import { runningPostgres } from "./database/embedded-postgres.ts";
import { type Orm, openOrm } from "./database/orm.ts";
import { entities } from "./entities.ts";
import { type OpenDatabase, openDatabase } from "./open-database.ts";
import { sealedColumns } from "./sealed-columns.ts";
import { addKey, keepFirstKey } from "./secrets/add-key.ts";
import { keyFileIn, openKeyRing } from "./secrets/key-ring.ts";
import { resealColumn } from "./secrets/reseal.ts";
import { createSealer, type Sealer } from "./secrets/seal.ts";

const usage = `npm run rotate-key -- [--reuse] [--forget]

Encrypts everything that is stored encrypted with a new key, while the server runs. Without SECRETS_KEY, the new key is made and put into the key
file first; with it, the first key of SECRETS_KEY is the new one: see docs/secrets.md.

  --reuse   make no new key: encrypt with the first one there is
  --forget  afterwards take the other keys out of the key file; backups of before can't be opened then
`;

try {
  await rotate();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function rotate(): Promise<void> {
  const { values } = parseArgs({
    options: { reuse: { type: "boolean" }, forget: { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help) return void process.stdout.write(usage);
  const config = readConfig();
  const dataDirectory = path.resolve(config.DATA_DIR);
  const isFile = config.SECRETS_KEY === undefined;
  const database = await reach(config);
  const orm = await openOrm(database.address, entities);
  try {
    await openKeyRing({ secretsKey: config.SECRETS_KEY, dataDirectory });
    if (isFile && !values.reuse) await addKey(keyFileIn(dataDirectory));
    const keyRing = await openKeyRing({ secretsKey: config.SECRETS_KEY, dataDirectory });
    const unreadable = await resealUntilDone(orm, createSealer(keyRing));
    if (unreadable > 0) {
      throw new Error(
        `${unreadable} could not be opened and are as they were: their key is missing, or they were changed. Add the key and repeat with --reuse.`,
      );
    }
    process.stdout.write(`Everything is encrypted with the key ${keyRing.current.id}.\n`);
    if (!values.forget) return;
    if (!isFile) throw new Error("Take the other keys out of SECRETS_KEY yourself, on every node.");
    await keepFirstKey(keyFileIn(dataDirectory), keyRing.current.id);
    process.stdout.write("The other keys are forgotten.\n");
  } finally {
    await orm.close(true);
    await database.stop();
  }
}

/** The database of the running server, or, where none runs, our own. */
async function reach(config: Config): Promise<OpenDatabase> {
  const running = config.DATABASE_URL === undefined ? await runningPostgres(path.resolve(config.DATA_DIR)) : undefined;
  if (running) return { address: running, isEmbedded: true, stop: async () => undefined };
  return openDatabase(config, createLog("error"));
}

/** Servers notice a new key after a moment, and encrypt with the old one until then: it ends once nothing was left for a while. */
async function resealUntilDone(orm: Orm, sealer: Sealer): Promise<number> {
  const quietMs = 2 * limits.keyFileLookMs;
  let quietSince = Date.now();
  for (;;) {
    let [count, unreadable] = [0, 0];
    for (const place of sealedColumns) {
      const resealed = await resealColumn(orm.em.fork(), sealer, place);
      if (resealed.count > 0) process.stdout.write(`${place.table}: ${resealed.count} encrypted anew.\n`);
      count += resealed.count;
      unreadable += resealed.unreadable;
    }
    if (count > 0) quietSince = Date.now();
    else if (Date.now() - quietSince >= quietMs) return unreadable;
    await sleep(limits.keyFileLookMs / 4);
  }
}
