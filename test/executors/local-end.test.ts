import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { sweepLeftovers } from "../../src/executors/sweep.ts";
import { type Given, isRunning, runLocal, scriptCall, until } from "./scripts.ts";

const onLinux = process.platform === "linux";
/** By then a script is at work, on a busy machine too. */
const soon = 5_000;

/** Ignores SIGTERM, has a child that does too, and names all three processes on stderr. */
const stubborn = `#!/bin/sh
trap '' TERM
sh -c 'trap "" TERM; echo child $$ >&2; while :; do sleep 1; done' &
sleep 600 &
echo sleeper $! >&2
echo script $$ >&2
while :; do sleep 1; done
`;

/** A grandchild that leaves the group and closes every stream, as a daemon does. */
const daemon = `#!/usr/bin/env node
const { spawn } = require("node:child_process");
const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { detached: true, stdio: "ignore" });
child.unref();
console.error("daemon " + child.pid);
`;

async function runAndNote(script: string, given: Given & { until?: number } = {}) {
  const pids: number[] = [];
  const controller = new AbortController();
  const run = await runLocal(scriptCall("run", script), {
    signal: controller.signal,
    // On the host itself, where the numbers of processes mean something here; the ends of isolated ones have tests of their own.
    production: "off",
    ...given,
    onLog: (_stream, text) => {
      pids.push(Number(text.split(" ")[1]));
      if (pids.length === given.until) controller.abort();
    },
  });
  return { ...run, pids };
}

describe("a local script", () => {
  test("that ignores SIGTERM and has children is gone when it is timed out, with its log up to then", async () => {
    const { outcome, pids } = await runAndNote(stubborn, { timeoutMs: soon });
    expect(outcome).toMatchObject({ status: "TIMED_OUT", error: { code: "timed_out" } });
    expect(pids).toHaveLength(3);
    await expect.poll(() => pids.filter(isRunning)).toEqual([]);
  });

  test("that is cancelled is gone, with its children, when that is answered", async () => {
    const { outcome, pids } = await runAndNote(stubborn, { until: 3 });
    expect(outcome).toEqual({ status: "CANCELLED" });
    await expect.poll(() => pids.filter(isRunning)).toEqual([]);
  });

  test("may end in its own way on SIGTERM, and is timed out all the same", async () => {
    const script = "#!/bin/sh\ntrap 'echo bye >&2; exit 0' TERM\nwhile :; do sleep 0.05; done\n";
    const { outcome, lines } = await runLocal(scriptCall("run", script), { timeoutMs: soon });
    expect(outcome.status).toBe("TIMED_OUT");
    expect(lines).toContain("STDERR bye");
  });

  test("that forks again and again is gone when it is timed out", async () => {
    const script = "#!/bin/sh\nn=0\nwhile [ $n -lt 60 ]; do n=$((n+1)); sleep 600 & echo child $! >&2; done\nwait\n";
    const { pids, outcome } = await runAndNote(script, { timeoutMs: soon });
    expect([outcome.status, pids.length]).toEqual(["TIMED_OUT", 60]);
    await expect.poll(() => pids.filter(isRunning)).toEqual([]);
  });

  test("leaves no child behind when it has ended by itself, though the child holds its streams", async () => {
    const script = "#!/bin/sh\nsleep 600 &\necho child $! >&2\necho 1\n";
    const { outcome, pids } = await runAndNote(script);
    expect(outcome).toEqual({ status: "SUCCEEDED", output: 1 });
    expect(pids).toHaveLength(1);
    await expect.poll(() => pids.filter(isRunning)).toEqual([]);
  });

  test.runIf(onLinux)("leaves no daemon behind that has left its group (Linux)", async () => {
    const ended = await runAndNote(daemon);
    const timedOut = await runAndNote(`${daemon}setInterval(() => {}, 1000);`, { timeoutMs: soon });
    expect([ended.outcome.status, timedOut.outcome.status]).toEqual(["SUCCEEDED", "TIMED_OUT"]);
    expect([...ended.pids, ...timedOut.pids]).toHaveLength(2);
    await expect.poll(() => [...ended.pids, ...timedOut.pids].filter(isRunning)).toEqual([]);
  });

  test("is not begun when its attempt is cancelled already", async () => {
    const { outcome, lines } = await runLocal(scriptCall("run", "#!/bin/sh\necho x >&2\n"), {
      signal: AbortSignal.abort(),
    });
    expect([outcome, lines]).toEqual([{ status: "CANCELLED" }, []]);
  });
});

describe("a local script whose server is killed", () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  /** A server that has a script under way, whose processes it has heard of. */
  async function serverWith(script: string, count: number) {
    const workDirectory = await mkdtemp(join(tmpdir(), "riposte-test-"));
    cleanups.push(() => rm(workDirectory, { recursive: true, force: true }));
    const fixture = join(import.meta.dirname, "fixture-server.ts");
    const server = spawn(process.execPath, [fixture, JSON.stringify({ workDirectory, script })], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    cleanups.push(() => server.kill("SIGKILL"));
    const pids: number[] = [];
    for await (const line of createInterface({ input: server.stdout })) {
      pids.push(Number(line.split(" ")[1]));
      if (pids.length === count) break;
    }
    return { server, workDirectory, pids };
  }

  async function kill(server: ChildProcess): Promise<void> {
    const exited = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGKILL");
    await exited;
  }

  test("is killed with its children", async () => {
    const { server, pids } = await serverWith(stubborn, 3);
    expect(pids.filter(isRunning)).toEqual(pids);
    await kill(server);
    await until(() => !pids.some(isRunning));
  });

  test.runIf(onLinux)("is killed with its daemons (Linux)", async () => {
    const { server, pids } = await serverWith(`${daemon}setInterval(() => {}, 1000);`, 1);
    expect(pids.filter(isRunning)).toEqual(pids);
    await kill(server);
    await until(() => !pids.some(isRunning));
  });

  test.runIf(onLinux)("cannot shake off the guard (Linux)", async () => {
    const { server, pids } = await serverWith(stubborn, 3);
    const [first] = guardsOf(server);
    process.kill(first ?? 0, "SIGKILL");
    await until(() => guardsOf(server).some((pid) => pid !== first));
    await kill(server);
    await until(() => !pids.some(isRunning));
  });

  test.runIf(onLinux)(
    "is killed by the next server where the guard died too, and its directory removed (Linux)",
    async () => {
      const { server, pids, workDirectory } = await serverWith(stubborn, 3);
      expect(await sweepLeftovers({ workDirectory })).toEqual({ processes: 0, directories: 0 });
      expect(pids.filter(isRunning)).toEqual(pids);
      // Stopped, so that it does not start another guard before it dies.
      server.kill("SIGSTOP");
      for (const guard of guardsOf(server)) process.kill(guard, "SIGKILL");
      await kill(server);
      expect(pids.filter(isRunning)).toEqual(pids);
      const swept = await sweepLeftovers({ workDirectory });
      expect(swept.directories).toBe(1);
      expect(swept.processes).toBeGreaterThanOrEqual(3);
      await until(() => !pids.some(isRunning));
      expect(readdirSync(workDirectory)).toEqual([]);
    },
  );

  function guardsOf(server: ChildProcess): number[] {
    const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8")
      .trim()
      .split(" ")
      .map(Number);
    return children.filter(
      (pid) => existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("riposte-guard"),
    );
  }
});
