// npm run migration -- NAME: writes the migration that takes the tables from the last snapshot to the entities.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { silentLog } from "../src/core/log.ts";
import { startEmbeddedPostgres } from "../src/database/embedded-postgres.ts";
import { migrate } from "../src/database/migrate.ts";
import { openOrm } from "../src/database/orm.ts";
import { entities } from "../src/entities.ts";

const [name] = process.argv.slice(2);
if (name === undefined || !/^[a-z][a-z0-9_]*$/.test(name)) {
  console.error("Usage: npm run migration -- NAME, in lower_snake, e.g. add_case_to_run");
  process.exit(1);
}
const dataDirectory = mkdtempSync(path.join(tmpdir(), "riposte-migration-"));
chmodSync(dataDirectory, 0o711);
const postgres = await startEmbeddedPostgres({ dataDirectory, log: silentLog });
const orm = await openOrm(postgres.address, entities);
try {
  await migrate(orm);
  const { fileName, diff } = await orm.migrator.create(undefined, false, false, name);
  console.log(fileName ? `${fileName}: ${diff.up.length} statements` : "The migrations equal the entities.");
} finally {
  await orm.close(true);
  await postgres.stop();
  rmSync(dataDirectory, { recursive: true });
}
