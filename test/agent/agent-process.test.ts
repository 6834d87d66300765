import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Task } from "../../src/agent/task.ts";
import { killQuietly } from "../../src/scripts/marked-processes.ts";
import { isRunning, until } from "../executors/scripts.ts";
import { type AgentMachine, type AgentProcess, createAgentMachine } from "./agent-process.ts";
import { hasOpenssl, startEncrypted } from "./encrypted.ts";
import { type FakeServer, startFakeServer, unauthenticated } from "./fake-server.ts";
import { taskOf } from "./tasks.ts";

const onLinux = process.platform === "linux";

/** Has a child, ignores SIGTERM, and names both on stderr. */
const stubborn = `#!/bin/sh
trap '' TERM
sleep 600 &
echo child $! >&2
echo script $$ >&2
while :; do sleep 1; done
`;

/** A grandchild that leaves the group and closes every stream, as a daemon does. */
const daemon = `#!/usr/bin/env node
const { spawn } = require("node:child_process");
const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { detached: true, stdio: "ignore" });
child.unref();
console.error("daemon " + child.pid);
setInterval(() => {}, 1000);
`;

describe("an agent's process", () => {
  let server: FakeServer;
  let machine: AgentMachine;
  beforeEach(async () => {
    server = await startFakeServer();
    machine = await createAgentMachine();
  });
  afterEach(async () => {
    await machine.remove();
    await server.close();
  });

  async function startConnected(): Promise<AgentProcess> {
    const agent = machine.start("--server", server.url, "--token", "enrolment");
    await expect.poll(() => `${server.subscriberCount} ${agent.said()}`).toMatch(/^1/);
    return agent;
  }

  async function pidsOf({ taskId }: Task, count: number): Promise<number[]> {
    await expect.poll(() => server.linesOf(taskId).length).toBe(count);
    return server.linesOf(taskId).map((line) => Number(line.split(" ")[2]));
  }

  test("runs a task from a bare machine, and gives its script nothing of its own environment", async () => {
    await startConnected();
    server.offer(taskOf("a.mjs", "console.log(JSON.stringify([process.version, process.env.AGENT_CANARY ?? null]))"));
    await expect.poll(() => server.completions).toMatchObject([{ exitCode: 0, result: [expect.any(String), null] }]);
  });

  test.each([
    ["its children", stubborn, 2],
    ...(onLinux ? ([["a daemon that has left its group (Linux)", daemon, 1]] as const) : []),
  ] as const)(
    "that is killed takes a script with it, and %s; started again, it runs the task when it is offered again",
    async (_name, script, count) => {
      const agent = await startConnected();
      const task = taskOf("run", script, { timeoutSeconds: 600 });
      server.offer(task);
      const pids = await pidsOf(task, count);
      expect(pids.filter(isRunning)).toEqual(pids);
      await agent.end("SIGKILL");
      await until(() => !pids.some(isRunning));
      await expect.poll(() => server.subscriberCount).toBe(0);
      const again = await startConnected();
      expect(readdirSync(machine.state)).not.toContain("work");
      server.offer({ ...task, files: [{ ...task.files[0]!, content: "#!/bin/sh\necho 2\n" }] });
      await expect.poll(() => server.completions).toEqual([{ taskId: task.taskId, exitCode: 0, result: 2 }]);
      expect(again.said()).toMatch(/again: it was begun before the agent was started/);
    },
  );

  test.runIf(onLinux)("ends at its next start what was left where the guard was killed as well (Linux)", async () => {
    const agent = await startConnected();
    const task = taskOf("run", stubborn, { timeoutSeconds: 600 });
    server.offer(task);
    const pids = await pidsOf(task, 2);
    agent.child.kill("SIGSTOP");
    const guards = guardsOf(agent);
    expect(guards).toHaveLength(1);
    for (const pid of guards) process.kill(pid, "SIGKILL");
    await agent.end("SIGKILL");
    expect(pids.filter(isRunning)).toEqual(pids);
    await startConnected();
    await expect.poll(() => pids.filter(isRunning)).toEqual([]);
  });

  test.runIf(onLinux)("keeps its scripts from the guard of an agent before it, which may be late (Linux)", async () => {
    const agent = await startConnected();
    const before = taskOf("run", stubborn, { timeoutSeconds: 600 });
    server.offer(before);
    const pids = await pidsOf(before, 2);
    const [guard = 0] = guardsOf(agent);
    process.kill(guard, "SIGSTOP");
    onTestFinished(() => killQuietly(guard, "SIGKILL"));
    await agent.end("SIGKILL");
    await expect.poll(() => server.subscriberCount).toBe(0);
    await startConnected();
    await expect.poll(() => pids.filter(isRunning)).toEqual([]);
    const waiting = '#!/bin/sh\necho begun $$ >&2\nwhile [ ! -e "$1" ]; do sleep 0.05; done\necho 1\n';
    const task = taskOf("wait", waiting, { parameters: { file: join(machine.directory, "go") } });
    server.offer(task);
    expect((await pidsOf(task, 1)).filter(isRunning)).toHaveLength(1);
    process.kill(guard, "SIGCONT");
    await expect.poll(() => isRunning(guard)).toBe(false);
    await writeFile(join(machine.directory, "go"), "");
    await expect.poll(() => server.completions).toEqual([{ taskId: task.taskId, exitCode: 0, result: 1 }]);
  });

  test("that was killed with a result which the server has not taken delivers it, and runs nothing again", async () => {
    const agent = await startConnected();
    server.answers.complete = () => {
      throw new Error("The database is away.");
    };
    const task = taskOf("run", "#!/bin/sh\necho ran >&2\necho 7\n");
    server.offer(task);
    await expect.poll(() => server.completions.length).toBeGreaterThan(0);
    await agent.end("SIGKILL");
    server.answers.complete = () => ({ __typename: "CompleteAgentTaskPayload", accepted: true });
    const tried = server.completions.length;
    const again = await startConnected();
    server.offer(task);
    await expect.poll(() => again.said()).toMatch(/is answered/);
    expect(server.completions.slice(tried)).toEqual([{ taskId: task.taskId, exitCode: 0, result: 7 }]);
    expect(server.linesOf(task.taskId)).toEqual(["STDERR ran"]);
    expect(again.said()).not.toMatch(/Runs /);
  });

  test("ends as asked by SIGTERM, and lets a script end that needs little more", async () => {
    const agent = await startConnected();
    const task = taskOf("run", "#!/bin/sh\necho begun >&2\nsleep 1\necho 1\n");
    server.offer(task);
    await expect.poll(() => server.linesOf(task.taskId)).toEqual(["STDERR begun"]);
    expect(await agent.end("SIGTERM")).toBe(0);
    expect(server.completions).toMatchObject([{ result: 1 }]);
    expect(agent.said()).toMatch(/Ended\.\n$/);
    expect(readdirSync(machine.state).filter((name) => name.startsWith("lock"))).toEqual([]);
  });

  test("ends with code 3, and its scripts with it, when it is revoked", async () => {
    const agent = await startConnected();
    const task = taskOf("run", stubborn, { timeoutSeconds: 600 });
    server.offer(task);
    const pids = await pidsOf(task, 2);
    server.answers.subscribe = unauthenticated;
    server.cut();
    expect(await agent.exited).toBe(3);
    expect(agent.said()).toMatch(/The server does not accept this agent: The token is not valid\.\n$/);
    await expect.poll(() => pids.filter(isRunning)).toEqual([]);
  });

  test.skipIf(!hasOpenssl)(
    "believes a certificate of one's own where NODE_EXTRA_CA_CERTS names it, and no other (skipped without openssl)",
    async () => {
      const place = await startEncrypted(server.url, machine.directory);
      const wrong = machine.start("--server", place.url, "--token", "enrolment");
      expect([await wrong.exited, wrong.said()]).toEqual([
        1,
        expect.stringMatching(/can't be reached: self.signed certificate/),
      ]);
      machine.environment["NODE_EXTRA_CA_CERTS"] = place.certificate;
      const agent = machine.start("--server", place.url, "--token", "enrolment");
      await expect.poll(() => `${server.subscriberCount} ${agent.said()}`).toMatch(/^1/);
      await place.close();
    },
  );

  test("does not start beside another one with the same state", async () => {
    const agent = await startConnected();
    const other = machine.start("--server", server.url);
    expect(await other.exited).toBe(1);
    expect(other.said()).toContain(`Another agent (process ${agent.child.pid}) uses ${machine.state}.`);
    expect(readdirSync(machine.state)).toContain("lock-1");
  });
});

/** The guards among an agent's children. */
function guardsOf({ child }: AgentProcess): number[] {
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ").map(Number);
  return children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("riposte-guard"));
}
