import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const program = `
import { createInterface } from "node:readline";
import { openStateDirectory } from ${JSON.stringify(path.join(import.meta.dirname, "../../src/agent/state-directory.ts"))};
console.log("ready");
for await (const directory of createInterface({ input: process.stdin }))
  console.log(await openStateDirectory(directory).then(() => "mine", (error) => error.message.startsWith("Another agent") ? "theirs" : error.stack));
`;

/** Processes that open a directory when they are told, and keep it while they live. */
const agents: { child: ChildProcess; lines: AsyncIterator<string> }[] = [];
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "riposte-agent-state-"));
  for (let count = 0; count < 6; count++) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    agents.push({ child, lines });
  }
  for (const { lines } of agents) expect((await lines.next()).value).toBe("ready");
});
afterAll(async () => {
  for (const { child } of agents) {
    child.stdin?.end();
    if (child.exitCode === null) await once(child, "exit");
  }
  await rm(directory, { recursive: true, force: true });
});

describe("a state directory that several agents open at once", () => {
  test.each(["where nobody had it", "where one had it that is dead"])("is one's, %s", async (how) => {
    for (let round = 0; round < 20; round++) {
      const own = await mkdtemp(path.join(directory, "state-"));
      // No process has such a number.
      if (how.includes("dead")) await writeFile(path.join(own, "lock-7"), "99999999 1\n");
      for (const { child } of agents) child.stdin?.write(`${own}\n`);
      const said = await Promise.all(agents.map(async ({ lines }) => (await lines.next()).value as string));
      expect(said.toSorted()).toEqual(["mine", ...agents.slice(1).map(() => "theirs")]);
      expect(await readdir(own)).toEqual([how.includes("dead") ? "lock-8" : "lock-1"]);
    }
  });
});
