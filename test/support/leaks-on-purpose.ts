// No test of the suite: its tests pass, and its file has to fail. See watch-leaks.test.ts.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { silentLog } from "../../src/core/log.ts";
import { openKeyRing } from "../../src/secrets/key-ring.ts";
import { createSealer } from "../../src/secrets/seal.ts";
import { createTestDatabase } from "./database.ts";
import { hearOutput, watchedArguments } from "./watched-leaks.ts";

test("tells a secret", async () => {
  const secretsKey = Buffer.alloc(32, "key of a leaky test").toString("base64");
  const sealer = createSealer(await openKeyRing({ secretsKey, dataDirectory: "/nowhere" }));
  const { address, orm, close } = await createTestDatabase();
  await sealer.seal("told in a table", { tenantId: "none", purpose: "secret:one" });
  await sealer.seal("told in the log", { tenantId: "none", purpose: "secret:two" });
  await orm.em.fork().execute("create table leaky as select 'It is told in a table.' as text");
  silentLog.debug({ address, reason: "It is told in the log." }, "leaky.told");
  await close();
});

test("starts a process that tells a secret and is killed", async () => {
  const child = spawn(process.execPath, [...watchedArguments(), "test/support/leaky-process.ts"]);
  hearOutput(child, "a leaky process");
  expect(await once(child, "close")).toEqual([null, "SIGKILL"]);
});
