import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { hostIsolation, hostIsolations, processesWith, runLocal, scriptCall, until } from "./scripts.ts";

const isolations = await hostIsolations();
const sh = (script: string): string => `#!/bin/sh\n${script}\n`;
let count = 0;
/** Seconds to sleep that no other process of this host has in its command line. */
const sleepOfItsOwn = (): string => `${7_000 + (process.pid % 1_000)}.${process.pid}${count++}`;

describe.each(isolations)("a hostile script isolated by $kind", (isolation) => {
  test("that forks without end is stopped at its limit, and nothing of it is left", async () => {
    const token = sleepOfItsOwn();
    const bomb = sh(`bomb() { sleep ${token} & bomb | bomb & }; bomb; wait; sleep ${token}`);
    const { outcome } = await runLocal(scriptCall("run", bomb), { isolation, timeoutMs: 2_000 });
    expect(outcome.status).not.toBe("SUCCEEDED");
    expect(processesWith(token)).toEqual([]);
  });

  test.skipIf(isolation.gaps.some((gap) => gap.includes("processes")))(
    "has a limited number of processes, whatever else runs",
    async () => {
      const script = `n=0; while sleep 60 & do n=$((n+1)); echo $n >&2; [ $n -lt ${limits.scriptProcessesMax + 50} ] || break; done 2>&2; kill -s KILL $$`;
      const { lines } = await runLocal(scriptCall("run", sh(script)), { isolation });
      const counts = lines.map((line) => Number(line.split(" ")[1])).filter((number) => number > 0);
      expect(Math.max(...counts)).toBeLessThan(limits.scriptProcessesMax);
      expect(Math.max(...counts)).toBeGreaterThan(limits.scriptProcessesMax / 2);
    },
  );

  test("gets no more memory than a process may have", async () => {
    const script = `
      const kept = [];
      try { while (kept.length < 64) kept.push(Buffer.allocUnsafeSlow(2 ** 27)); } catch {}
      console.log(kept.length);`;
    const { outcome } = await runLocal(scriptCall("a.mjs", script), { isolation });
    // Where memory is refused to Node itself, that ends by a signal.
    const blocks = outcome.status === "SUCCEEDED" ? Number(outcome.output) : 0;
    expect(blocks * 2 ** 27).toBeLessThan(limits.scriptMemoryBytesMax);
  });

  test.skipIf(isolation.gaps.some((gap) => gap.includes("/proc")))(
    "that takes memory by many processes is ended, all of them together",
    async () => {
      const script = `
        import { spawn } from "node:child_process";
        if (process.argv[2] !== "child") for (let n = 0; n < 4; n++) spawn(process.execPath, [import.meta.filename, "child"], { detached: true, stdio: "ignore" });
        const kept = Buffer.alloc(80 * 1024 * 1024, 1);
        setTimeout(() => console.log(kept.length), 60_000);`;
      const { outcome } = await runLocal(scriptCall("a.mjs", script), { isolation, memoryBytesMax: 300 * 1024 * 1024 });
      expect(outcome).toMatchObject({ status: "FAILED", error: { code: "memory_exceeded" } });
    },
  );

  test("fills its own directory only, by one file or by many", async () => {
    const script = `
      fill() { head -c ${limits.scriptDiskBytesMax / 4} /dev/zero > "$1" && echo "$1 is full" >&2; }
      for place in /tmp/a ./b /tmp/c /dev/shm/d ./e; do fill $place; done
      du --apparent-size --bytes --summarize /attempt | cut -f1`;
    const { outcome, lines } = await runLocal(scriptCall("run", sh(script)), { isolation });
    expect(outcome).toMatchObject({ status: "SUCCEEDED", output: expect.any(Number) });
    expect(outcome).toHaveProperty(
      "output",
      expect.toSatisfy((size: number) => size <= limits.scriptDiskBytesMax + 4_096),
    );
    expect(lines.filter((line) => line.endsWith("is full"))).toHaveLength(3);
  });

  test("that writes a hundred megabytes to stdout is stopped, with its children", async () => {
    const token = sleepOfItsOwn();
    const script = sh(`sleep ${token} & head -c 100000000 /dev/zero; sleep ${token}`);
    const { outcome } = await runLocal(scriptCall("run", script), { isolation });
    expect(outcome).toMatchObject({ status: "FAILED", error: { code: "output_too_large" } });
    expect(processesWith(token)).toEqual([]);
  });

  test("leaves no daemon behind, whether it ends by itself, is timed out or is cancelled", async () => {
    const token = sleepOfItsOwn();
    const daemon = `env -i setsid sh -c 'setsid sleep ${token} < /dev/null > /dev/null 2>&1 &'; echo started >&2`;
    const ended = await runLocal(scriptCall("run", sh(`${daemon}; echo 1`)), { isolation });
    expect(ended.outcome).toEqual({ status: "SUCCEEDED", output: 1 });
    expect(processesWith(token)).toEqual([]);
    const stubborn = sh(`trap '' TERM; ${daemon}; while :; do sleep 0.1; done`);
    const timedOut = await runLocal(scriptCall("run", stubborn), { isolation, timeoutMs: 5_000 });
    expect(timedOut.outcome.status).toBe("TIMED_OUT");
    expect(processesWith(token)).toEqual([]);
    const controller = new AbortController();
    const cancelled = await runLocal(scriptCall("run", stubborn), {
      ...{ isolation, signal: controller.signal },
      onLog: (_stream, text) => text === "started" && controller.abort(),
    });
    expect(cancelled.outcome.status).toBe("CANCELLED");
    expect(processesWith(token)).toEqual([]);
  });

  test("hears SIGTERM before it is ended, and its exit code or signal is told", async () => {
    const polite = "#!/bin/sh\ntrap 'echo bye >&2; exit 0' TERM\nwhile :; do sleep 0.05; done\n";
    const { outcome, lines } = await runLocal(scriptCall("run", polite), { isolation, timeoutMs: 5_000 });
    expect(outcome.status).toBe("TIMED_OUT");
    expect(lines).toContain("STDERR bye");
    const signalled = await runLocal(scriptCall("run", sh("kill -s SEGV $$")), { isolation });
    expect(signalled).toMatchObject({ outcome: { error: { message: "The script ended by the signal SIGSEGV." } } });
    expect(signalled.lines).toEqual([]);
    const left = await runLocal(scriptCall("run", sh("exit 125")), { isolation });
    expect(left.outcome).toMatchObject({
      error: { code: "exit_code", message: "The script ended with exit code 125." },
    });
  });
});

describe.runIf(isolations.length > 0)("an isolated script whose server is killed", () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function serverWith(script: string): Promise<ChildProcess> {
    const workDirectory = await mkdtemp(join(tmpdir(), "riposte-test-"));
    cleanups.push(() => rm(workDirectory, { recursive: true, force: true }));
    const fixture = join(import.meta.dirname, "fixture-server.ts");
    const server = spawn(process.execPath, [fixture, JSON.stringify({ workDirectory, script, isIsolated: true })], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    cleanups.push(() => server.kill("SIGKILL"));
    for await (const line of createInterface({ input: server.stdout })) if (line === "started") break;
    return server;
  }

  const stubborn = (token: string): string =>
    sh(`trap '' TERM; setsid sleep ${token} & echo started >&2; while :; do sleep 1; done`);

  test("is killed with its daemons", async () => {
    const token = sleepOfItsOwn();
    const server = await serverWith(stubborn(token));
    await until(() => processesWith(`sleep\0${token}`).length === 1);
    server.kill("SIGKILL");
    await until(() => processesWith(token).length === 0);
  });

  test("is killed even where the guard died with it", async () => {
    const token = sleepOfItsOwn();
    const server = await serverWith(stubborn(token));
    // Stopped, so that it does not start another guard before it dies.
    server.kill("SIGSTOP");
    for (const guard of guardsOf(server)) process.kill(guard, "SIGKILL");
    server.kill("SIGKILL");
    await until(() => processesWith(token).length === 0);
  });

  function guardsOf(server: ChildProcess): number[] {
    const names = readdirSync(`/proc/${server.pid}/task/${server.pid}`);
    expect(names).toContain("children");
    const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8").trim().split(" ");
    return processesWith("riposte-guard")
      .filter((pid) => children.includes(pid))
      .map(Number);
  }
});

test("the isolation of this host is known to be there or not", async () => {
  const { kind, lack } = await hostIsolation();
  expect(kind === "none").toBe(isolations.length === 0);
  expect(lack === undefined).toBe(isolations.length > 0);
});
