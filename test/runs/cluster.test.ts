import { type ChildProcess, fork } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { watchedArguments } from "../support/watched-leaks.ts";
import { carefulVersion, clusterPlans, holdVersion, napVersion } from "./cluster-plans.ts";
import { EngineWorld, problemsOf, stepsOf } from "./engine-world.ts";

let world: EngineWorld;
let directory: string;
const processes: NodeProcess[] = [];
beforeAll(async () => {
  world = await EngineWorld.create();
  for (const [version, plan] of clusterPlans) world.plans.set(version, plan);
});
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "riposte-cluster-"));
});
afterEach(async () => {
  await Promise.all(processes.splice(0).map((node) => node.kill()));
  await world.reset();
  rmSync(directory, { recursive: true });
});
afterAll(() => world.close());

/** A node in a process of its own. */
class NodeProcess {
  readonly begun = new Set<string>();
  readonly refused = new Set<string>();
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  static async start(): Promise<NodeProcess> {
    const orders = { address: world.address, callFile: file("calls"), releaseFile: file("release") };
    const script = path.join(import.meta.dirname, "fixtures/engine-process.ts");
    const child = fork(script, [JSON.stringify(orders)], {
      execArgv: [...watchedArguments()],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const node = new NodeProcess(child);
    processes.push(node);
    await new Promise<void>((resolve, reject) => {
      child.once("message", () => resolve());
      child.once("exit", (code) => reject(new Error(`The node ended with ${code} before it was ready.`)));
    });
    return node;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#ended = new Promise((resolve) => child.once("exit", () => resolve()));
    child.on("message", (message: { begun?: string; refused?: string }) => {
      if (message.begun) this.begun.add(message.begun);
      if (message.refused) this.refused.add(message.refused);
    });
    child.on("error", () => undefined);
  }

  begin(version: string, count: number): string[] {
    const plan = clusterPlans.get(version);
    if (!plan) throw new Error(`There is no plan ${version}.`);
    const births = Array.from({ length: count }, () => world.birth(plan));
    for (const birth of births) this.#child.send({ begin: birth });
    return births.map(({ id }) => id);
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

function file(name: string): string {
  return path.join(directory, name);
}

/** Calls of executors so far: `called` or `stopped`, the process, and the step's key. */
function calls(): { word: string; pid: number; key: string }[] {
  if (!existsSync(file("calls"))) return [];
  const lines = readFileSync(file("calls"), "utf8").trim().split("\n");
  return lines.map((line) => {
    const [word = "", pid, key = ""] = line.split(" ");
    return { word, pid: Number(pid), key };
  });
}

async function liveNodes(): Promise<number> {
  const { rows } = await world.pool.query("select count(*)::int as n from node where left_at is null");
  return rows[0].n;
}

/** The run broke no rule, and no step was called more often than it was durably started. */
async function problems(runId: string): Promise<string[]> {
  const found = await problemsOf(world, runId);
  const trail = stepsOf(await world.events(runId));
  for (const step of new Set(trail.map((word) => word.split(".")[0] ?? ""))) {
    const starts = trail.filter((word) => word.startsWith(`${step}.`) && word.endsWith("RUNNING")).length;
    const called = calls().filter(({ word, key }) => word === "called" && key === `${runId}:${step}`).length;
    if (called > starts || called === 0) found.push(`${step} was called ${called} times and started ${starts} times`);
  }
  return found;
}

describe("runs of a node that is killed", () => {
  test("go on elsewhere, each that was answered for, whenever it is killed", async () => {
    await NodeProcess.start();
    const answered: string[] = [];
    for (const afterMs of [0, 15, 40]) {
      const victim = await NodeProcess.start();
      victim.begin(napVersion, 40);
      await world.until(() => victim.begun.size > 0);
      await sleep(afterMs);
      await victim.kill();
      answered.push(...victim.begun);
    }
    await world.ended(...answered);
    expect((await Promise.all(answered.map(problems))).flat()).toEqual([]);
    const { rows } = await world.pool.query("select id from run where finished_at is null");
    await world.ended(...rows.map(({ id }) => id as string));
  });

  test("go on when two of three nodes are killed at once", async () => {
    const [first, second] = [await NodeProcess.start(), await NodeProcess.start()];
    await NodeProcess.start();
    const ids = [...first.begin(napVersion, 30), ...second.begin(napVersion, 30)];
    await world.until(() => first.begun.size + second.begun.size === 60);
    await Promise.all([first.kill(), second.kill()]);
    await world.ended(...ids);
    expect((await Promise.all(ids.map(problems))).flat()).toEqual([]);
  });

  test("are run again with the same key, or fail with effect_unknown where that must not be", async () => {
    const [victim, heir] = [await NodeProcess.start(), await NodeProcess.start()];
    const [held = ""] = victim.begin(holdVersion, 1);
    const [careful = ""] = victim.begin(carefulVersion, 1);
    await world.until(() => calls().length === 2);
    await victim.kill();
    writeFileSync(file("release"), "");
    await world.ended(held, careful);
    expect(stepsOf(await world.events(held))).toEqual(
      "a.1 RUNNING,a.2 RUNNING,a.2 SUCCEEDED,b.1 RUNNING,b.1 SUCCEEDED".split(","),
    );
    expect(
      calls()
        .map(({ pid, key }) => `${pid} ${key}`)
        .filter((line) => line.endsWith(`${held}:a`)),
    ).toEqual([`${victim.pid} ${held}:a`, `${heir.pid} ${held}:a`]);
    expect(await world.head(careful)).toMatchObject({ status: "FAILED", errorCode: "effect_unknown" });
    expect(calls().filter(({ key }) => key === `${careful}:a`)).toHaveLength(1);
  });

  test("are found by the next node to start, where no other was left", async () => {
    const victim = await NodeProcess.start();
    const ids = victim.begin(napVersion, 20);
    await world.until(() => victim.begun.size === 20);
    await victim.kill();
    await NodeProcess.start();
    await world.ended(...ids);
    expect((await Promise.all(ids.map(problems))).flat()).toEqual([]);
  });
});

describe("a node that sleeps past its lease", () => {
  test("writes nothing of what it held when it wakes, ends its executors, and is of use again", async () => {
    const zombie = await NodeProcess.start();
    const [held = ""] = zombie.begin(holdVersion, 1);
    await world.until(() => calls().length === 1);
    await NodeProcess.start();
    await world.until(async () => (await liveNodes()) === 2);
    zombie.signal("SIGSTOP");
    await world.until(async () => (await liveNodes()) === 1);
    await world.until(() => calls().length === 2);
    zombie.signal("SIGCONT");
    await world.until(() => calls().some(({ word, pid }) => word === "stopped" && pid === zombie.pid));
    writeFileSync(file("release"), "");
    await world.ended(held);
    const ended = await world.events(held);
    // Refused until it has joined anew.
    let again = "";
    await world.until(() => {
      if (again === "" || zombie.refused.has(again)) [again = ""] = zombie.begin(napVersion, 1);
      return zombie.begun.has(again);
    });
    await world.ended(again);
    expect(await world.events(held)).toEqual(ended);
    expect(await problemsOf(world, held)).toEqual([]);
    expect(calls().filter(({ word, key }) => word === "called" && key === `${held}:a`)).toHaveLength(2);
  }, 60_000);

  test("writes nothing when its executor ends at the moment it wakes", async () => {
    const zombie = await NodeProcess.start();
    const [held = ""] = zombie.begin(holdVersion, 1);
    await world.until(() => calls().length === 1);
    zombie.signal("SIGSTOP");
    writeFileSync(file("release"), "");
    await NodeProcess.start();
    await world.ended(held);
    const ended = await world.events(held);
    zombie.signal("SIGCONT");
    await world.until(async () => (await liveNodes()) === 2);
    expect(await world.events(held)).toEqual(ended);
    expect(await problemsOf(world, held)).toEqual([]);
  }, 60_000);
});
