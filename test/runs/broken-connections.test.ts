import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../src/runs/engine.ts";
import { type CuttingProxy, startCuttingProxy } from "./cutting-proxy.ts";
import { EngineWorld, type Execute, echo, problemsOf, single, stepsOf } from "./engine-world.ts";
import { actionStep, planOf } from "./walk-driver.ts";

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
});
afterEach(() => world.reset());
afterAll(() => world.close());

const four = planOf(["a", "b", "c", "d"].map((id, at, ids) => actionStep(id, { onSuccess: ids[at + 1] ?? null })));

/** Ends backends of the engines, `names` in turn, until `isOver`; returns how many. */
async function terminateUntil(isOver: (ended: number) => boolean, names: readonly string[]): Promise<number> {
  let ended = 0;
  for (let turn = 0; !isOver(ended); turn += 1) {
    const { rowCount } = await world.pool.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()",
      [names[turn % names.length]],
    );
    ended += rowCount ?? 0;
    await sleep(7);
  }
  return ended;
}

/** An executor that counts its calls for each step. */
function counting(): { execute: Execute; calls: Map<string, number> } {
  const calls = new Map<string, number>();
  const execute: Execute = async (call) => {
    const key = call.attempt.idempotencyKey;
    calls.set(key, (calls.get(key) ?? 0) + 1);
    await sleep(call.runId.charCodeAt(35) % 8);
    return call.attempt.signal.aborted ? { status: "CANCELLED" } : echo(call);
  };
  return { execute, calls };
}

/** Every call was preceded by its durable start, and no step was called again once it had an outcome. */
async function callProblems(runId: string, calls: ReadonlyMap<string, number>): Promise<string[]> {
  const trail = stepsOf(await world.events(runId));
  const problems = await problemsOf(world, runId);
  for (const id of four.steps.keys()) {
    const starts = trail.filter((word) => word.startsWith(`${id}.`) && word.endsWith("RUNNING")).length;
    const called = calls.get(`${runId}:${id}`) ?? 0;
    if (called > starts) problems.push(`${id} was called ${called} times and started ${starts} times`);
    if (called === 0 && trail.some((word) => word.startsWith(`${id}.`) && word.endsWith("SUCCEEDED"))) {
      problems.push(`${id} succeeded without a call`);
    }
  }
  return problems;
}

async function beginAll(engines: readonly Engine[], count: number): Promise<string[]> {
  const births = Array.from({ length: count }, () => world.birth(four));
  await Promise.all(births.map((birth, index) => (engines[index % engines.length] as Engine).begin(birth)));
  return births.map(({ id }) => id);
}

describe("runs on a node whose connections to the database break", () => {
  test("all end, with every event once and no outcome called for twice, whichever connection it is", async () => {
    const { execute, calls } = counting();
    const engine = await world.engine(execute);
    let isOver = false;
    const terminating = terminateUntil(() => isOver, ["riposte-journal", "riposte-engine", "riposte-node"]);
    const ids: string[] = [];
    for (let wave = 0; wave < 4; wave += 1) {
      ids.push(...(await beginAll([engine], 25)));
      await sleep(20);
    }
    await world.ended(...ids);
    isOver = true;
    expect(await terminating).toBeGreaterThan(3);
    expect((await Promise.all(ids.map((id) => callProblems(id, calls)))).flat()).toEqual([]);
    const statuses = await Promise.all(ids.map(async (id) => (await world.head(id))?.status));
    expect(new Set(statuses)).toEqual(new Set(["SUCCEEDED"]));
  });

  test("all end on two nodes that take each other for dead", async () => {
    const { execute, calls } = counting();
    const engines = [await world.engine(execute), await world.engine(execute)];
    await world.until(async () => {
      const { rows } = await world.pool.query(
        "select count(*)::int as n from pg_stat_activity where application_name = 'riposte-watch' and datname = current_database()",
      );
      return rows[0].n === 2;
    });
    const ids = await beginAll(engines, 60);
    let isOver = false;
    // A busy machine takes longer for as many.
    const terminating = terminateUntil(
      (ended) => isOver && ended > 3,
      ["riposte-node", "riposte-watch", "riposte-journal"],
    );
    await sleep(60);
    isOver = true;
    await terminating;
    await world.ended(...ids);
    expect((await Promise.all(ids.map((id) => callProblems(id, calls)))).flat()).toEqual([]);
  });
});

describe("free runs that a node claims while its connections break", () => {
  test("are all taken up in the end, those too whose claim it never heard of", async () => {
    const births = Array.from({ length: 200 }, () => world.birth(four));
    for (const birth of births) await world.leaveFree(birth);
    const { execute, calls } = counting();
    let isOver = false;
    const terminating = terminateUntil(() => isOver, ["riposte-engine"]);
    const engine = await world.engine(execute);
    for (let sweep = 0; sweep < 30; sweep += 1) await engine.wake();
    isOver = true;
    await terminating;
    await world.ended(...births.map(({ id }) => id));
    expect((await Promise.all(births.map(({ id }) => callProblems(id, calls)))).flat()).toEqual([]);
  });
});

describe("a flush that outlives its connection", () => {
  let proxy: CuttingProxy;
  beforeAll(async () => {
    proxy = await startCuttingProxy(world.address);
  });
  afterAll(() => proxy.close());

  /** Holds every write of events from `begin` on, cuts all connections while the flush waits in its backend, and lets go. */
  async function cutDuring(begin: () => void): Promise<void> {
    const blocker = await world.pool.connect();
    await blocker.query("begin");
    await blocker.query("lock table run_event in share mode");
    begin();
    const journals = async (where: string) => {
      const sql = `select count(*)::int as n from pg_stat_activity where application_name = 'riposte-journal' and datname = current_database() and ${where}`;
      return (await world.pool.query(sql)).rows[0].n as number;
    };
    await world.until(async () => (await journals("wait_event_type = 'Lock'")) === 1);
    const before = await world.pool.query("select now() as at");
    proxy.cut();
    await world.until(async () => (await journals(`backend_start > '${before.rows[0].at.toISOString()}'`)) > 0);
    await sleep(50);
    await blocker.query("rollback");
    blocker.release();
  }

  test("is neither lost nor written twice when it was of a step's outcome", async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const engine = await world.engine(
      async (call) => {
        if (call.stepId === "a") await opened;
        return echo(call);
      },
      { address: proxy.address },
    );
    const birth = world.birth(four);
    await engine.begin(birth);
    await world.until(async () => (await world.events(birth.id)).length === 2);
    await cutDuring(open);
    await world.ended(birth.id);
    expect(await world.head(birth.id)).toMatchObject({ status: "SUCCEEDED" });
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });

  test("is no conflict with itself when it was of a run's birth", async () => {
    const engine = await world.engine(echo, { address: proxy.address });
    const warm = world.birth(single);
    await engine.begin(warm);
    await world.ended(warm.id);
    const birth = world.birth(single, { idempotencyKey: "once", inputHash: "h" });
    let begun: Promise<string> | undefined;
    await cutDuring(() => {
      begun = engine.begin(birth);
    });
    expect(await begun).toBe("written");
    await world.ended(birth.id);
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });
});

describe("connections that fall silent", () => {
  test("are given up within the lease: the node joins anew, and its runs go on", async () => {
    const proxy = await startCuttingProxy(world.address);
    const calls: boolean[] = [];
    const engine = await world.engine(
      async (call) => {
        const { signal } = call.attempt;
        calls.push(signal.aborted);
        if (calls.length > 1) return echo(call);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return { status: "CANCELLED" };
      },
      { address: proxy.address },
    );
    const birth = world.birth(single);
    await engine.begin(birth);
    await world.until(() => calls.length === 1);
    proxy.silence();
    await world.ended(birth.id);
    expect(stepsOf(await world.events(birth.id))).toEqual(["only.1 RUNNING", "only.2 RUNNING", "only.2 SUCCEEDED"]);
    expect(await problemsOf(world, birth.id)).toEqual([]);
    const next = world.birth(single);
    await world.until(() => engine.isReady());
    await engine.begin(next);
    await world.ended(next.id);
    await engine.stop();
    await proxy.close();
  }, 60_000);
});
