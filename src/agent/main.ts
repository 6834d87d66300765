// The program: what `agent.mjs` begins with.
import { runAgent } from "./agent.ts";
import { sayOnStderr as say } from "./agent-log.ts";
import { agentVersion, EnrolmentFailed } from "./enrol.ts";
import { NotAdmitted } from "./link.ts";
import { readSettings, UsageError, usage } from "./settings.ts";
import { StateUnusable } from "./state-directory.ts";

const exitCodes = { ended: 0, failed: 1, startedWrongly: 2, notAdmitted: 3 } as const;

async function main(): Promise<number> {
  if (process.platform === "win32")
    throw new UsageError("Windows is not supported: the agent runs on Linux and macOS.");
  if (Number(process.versions.node.split(".")[0]) < 20) {
    throw new UsageError(`The agent needs Node 20 or newer; this is ${process.version}.`);
  }
  const settings = readSettings(process.argv.slice(2));
  if (typeof settings === "string") {
    process.stdout.write(`${settings === "help" ? usage : agentVersion}\n`);
    return exitCodes.ended;
  }
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(settings.server).hostname);
  if (settings.server.startsWith("http:") && !isLocal)
    say("The connection is not encrypted: use https:// for anything but a try.");
  if (process.getuid?.() === 0) say("The agent runs as root, and so do all its scripts: give it a user of its own.");
  const stopping = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      // The second time, at once: what is left of the scripts dies with the process.
      if (stopping.signal.aborted) process.exit(exitCodes.failed);
      stopping.abort();
    });
  }
  await runAgent(settings, { say, signal: stopping.signal });
  say("Ended.");
  return exitCodes.ended;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${usage}\n`);
    return exitCodes.startedWrongly;
  }
  if (error instanceof NotAdmitted) {
    say(`The server does not accept this agent: ${error.message}`);
    return exitCodes.notAdmitted;
  }
  const isExpected = error instanceof StateUnusable || error instanceof EnrolmentFailed;
  say(error instanceof Error ? (isExpected ? error.message : (error.stack ?? error.message)) : String(error));
  return exitCodes.failed;
}

process.exit(await main().catch(exitCodeOf));
