// Stands for a server in tests that kill it: runs the script given as JSON in argv[2] and tells on stdout what it does.

import { probeIsolation } from "../../src/executors/isolation.ts";
import { createLocalExecutor } from "../../src/executors/local.ts";
import { noIsolation, scriptCall } from "./scripts.ts";

const { workDirectory, script, isIsolated } = JSON.parse(process.argv[2] ?? "{}") as {
  workDirectory: string;
  script: string;
  isIsolated: boolean;
};
const isolation = isIsolated ? await probeIsolation({ workDirectory }) : noIsolation;
const outcome = await createLocalExecutor({ workDirectory, isolation, production: "preferred" })({
  call: scriptCall("run", script),
  idempotencyKey: "k",
  timeoutMs: 60_000,
  signal: new AbortController().signal,
  secrets: [],
  onLog: (stream, text) => stream === "STDERR" && process.stdout.write(`${text}\n`),
});
process.stdout.write(`${JSON.stringify(outcome)}\n`);
