// Run by embedded-postgres.test.ts: a server that can be killed. Prints its own pid and PostgreSQL's, then works until stdin ends.
import { silentLog } from "../../src/core/log.ts";
import { startEmbeddedPostgres } from "../../src/database/embedded-postgres.ts";

const [dataDirectory = ""] = process.argv.slice(2);
try {
  const postgres = await startEmbeddedPostgres({ dataDirectory, log: silentLog });
  console.log(JSON.stringify({ pid: process.pid, postgresPid: postgres.pid, address: postgres.address }));
  for await (const _ of process.stdin);
  await postgres.stop();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
