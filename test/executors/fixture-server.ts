// Stands for a server in tests that kill it: runs the script given as JSON in argv[2] and tells on stdout what it does.
import { createLocalExecutor } from "../../src/executors/local.ts";
import { scriptCall } from "./scripts.ts";

const { workDirectory, script } = JSON.parse(process.argv[2] ?? "{}") as { workDirectory: string; script: string };
const outcome = await createLocalExecutor({ workDirectory })({
  call: scriptCall("run", script),
  idempotencyKey: "k",
  timeoutMs: 60_000,
  signal: new AbortController().signal,
  secrets: [],
  onLog: (_stream, text) => process.stdout.write(`${text}\n`),
});
process.stdout.write(`${JSON.stringify(outcome)}\n`);
