import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { EngineWorld, type Execute, echo, failed, problemsOf, single, stepsOf, untilStopped } from "./engine-world.ts";
import { actionStep, planOf } from "./walk-driver.ts";

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
});
afterEach(() => world.reset());
afterAll(() => world.close());

describe("a run that is told to stop", () => {
  test("ends its executor, waits for it and is cancelled, with the reason", async () => {
    let isEnded = false;
    const engine = await world.engine(async (call) => {
      const outcome = await untilStopped(call);
      await world.pool.query("select pg_sleep(0.05)");
      isEnded = true;
      return outcome;
    });
    const birth = world.birth(planOf([actionStep("a", { onSuccess: "b" }), actionStep("b")]));
    await engine.begin(birth);
    await world.signalCancel(birth.id, "wrong host");
    await engine.hint([birth.id]);
    await world.ended(birth.id);
    expect(isEnded).toBe(true);
    expect(await world.state(birth.id)).toMatchObject({
      status: "CANCELLED",
      error: { code: "cancelled", message: "Cancelled by ann: wrong host" },
    });
    expect(await problemsOf(world, birth.id)).toEqual([]);
    const { rows } = await world.pool.query("select from run_signal");
    expect(rows).toEqual([]);
  });

  test("hears of it though every notification is lost", async () => {
    const engine = await world.engine(untilStopped);
    const birth = world.birth(single);
    await engine.begin(birth);
    await world.signalCancel(birth.id);
    await world.ended(birth.id);
    expect(await world.head(birth.id)).toMatchObject({ status: "CANCELLED" });
  });

  test("is cancelled while it waits for a retry", async () => {
    const engine = await world.engine(() => failed);
    const birth = world.birth(planOf([actionStep("a", { maxRetries: 1, retryDelayMs: 30_000 })]));
    await engine.begin(birth);
    await world.until(async () => (await world.state(birth.id)).steps.get("a")?.status === "WAITING");
    await world.signalCancel(birth.id);
    await engine.hint([birth.id]);
    await world.ended(birth.id);
    expect(stepsOf(await world.events(birth.id))).toEqual([
      "a.1 RUNNING",
      "a.1 FAILED",
      "a.2 WAITING",
      "a.2 CANCELLED",
    ]);
  });

  test("is cancelled before anything of it has started, wherever it waits for that", async () => {
    const birth = world.birth(single);
    const at = new Date(Date.now() + 3_600_000);
    await world.leaveFree(birth, at);
    await world.signalCancel(birth.id);
    await world.engine(() => expect.unreachable());
    await world.ended(birth.id);
    expect(await world.head(birth.id)).toMatchObject({ status: "CANCELLED" });
  });

  test("is cancelled while what a step needs can't be read, and nothing is started when it can be", async () => {
    let isAway = true;
    const variables = async () => {
      if (isAway) throw new Error("The database is away.");
      return {};
    };
    const engine = await world.engine(() => expect.unreachable(), { steps: { variables } });
    const birth = world.birth(single);
    await engine.begin(birth);
    await world.signalCancel(birth.id);
    await engine.hint([birth.id]);
    await world.ended(birth.id);
    isAway = false;
    expect(stepsOf(await world.events(birth.id))).toEqual([]);
    await engine.stop();
  });

  test("is heard once, however often it is said", async () => {
    const engine = await world.engine(untilStopped);
    const birth = world.birth(single);
    await engine.begin(birth);
    await world.signalCancel(birth.id);
    await Promise.all(Array.from({ length: 20 }, () => engine.hint([birth.id])));
    await world.ended(birth.id);
    const notices = (await world.events(birth.id)).filter(({ type }) => type === "NOTICE");
    expect(notices).toHaveLength(1);
  });
});

describe("a run whose time is over", () => {
  test("is timed out, its executor ended", async () => {
    const engine = await world.engine(untilStopped);
    const birth = world.birth(planOf([actionStep("a", { maxRetries: 5 })], { timeoutMs: 40 }));
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(await world.head(birth.id)).toMatchObject({ status: "TIMED_OUT", errorCode: "run_timed_out" });
    expect(stepsOf(await world.events(birth.id))).toEqual(["a.1 RUNNING", "a.1 CANCELLED"]);
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });

  test("is timed out while it waits", async () => {
    const engine = await world.engine(() => failed);
    const step = actionStep("a", { maxRetries: 5, retryDelayMs: 50_000 });
    const birth = world.birth(planOf([step], { timeoutMs: 60 }));
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(await world.head(birth.id)).toMatchObject({ status: "TIMED_OUT" });
  });
});

describe("an idempotency key", () => {
  test("gives one run, however many nodes are told at once, and whoever lost writes nothing", async () => {
    const engines = await Promise.all([world.engine(echo), world.engine(echo), world.engine(echo)]);
    const births = Array.from({ length: 30 }, (_, index) =>
      world.birth(single, { idempotencyKey: `key-${index % 5}`, inputHash: "h" }),
    );
    const results = await Promise.all(
      births.map((birth, index) => (engines[index % 3] as (typeof engines)[0]).begin(birth)),
    );
    expect(results.filter((result) => result === "written")).toHaveLength(5);
    const kept = births.filter((_, index) => results[index] === "written").map(({ id }) => id);
    await world.ended(...kept);
    const { rows } = await world.pool.query("select distinct run_id as id from run_event union select id from run");
    expect(rows.map(({ id }) => id).sort()).toEqual(kept.sort());
    expect(engines.map((engine) => engine.residentCount())).toEqual([0, 0, 0]);
  });
});

describe("a run that waits for long", () => {
  const plan = planOf([
    actionStep("a", { maxRetries: 1, retryDelayMs: 2 * limits.parkAfterMs, onSuccess: "b" }),
    actionStep("b"),
  ]);
  const parked = async () => {
    let calls = 0;
    const engine = await world.engine((call) => (++calls === 1 ? failed : echo(call)));
    const birth = world.birth(plan);
    await engine.begin(birth);
    await world.until(async () => (await world.head(birth.id))?.status === "WAITING" && engine.residentCount() === 0);
    return { engine, birth };
  };

  test("leaves memory, its owner and its bill behind until then", async () => {
    const { birth } = await parked();
    const head = await world.head(birth.id);
    expect(head).toMatchObject({ status: "WAITING", ownerId: null });
    expect(head?.wakeAt?.getTime()).toBe((await world.state(birth.id)).steps.get("a")?.retryAt);
  });

  test("goes on where it was when its time has come", async () => {
    const { engine, birth } = await parked();
    await world.pool.query(
      "update run_event set body = body || '{\"retryAt\": 1}' where run_id = $1 and label = 'WAITING' and step_id = 'a'",
      [birth.id],
    );
    await world.pool.query("update run set wake_at = now() where id = $1", [birth.id]);
    await engine.wake();
    await world.ended(birth.id);
    expect(stepsOf(await world.events(birth.id)).slice(2)).toEqual([
      "a.2 WAITING",
      "a.2 RUNNING",
      "a.2 SUCCEEDED",
      "b.1 RUNNING",
      "b.1 SUCCEEDED",
    ]);
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });

  test("sleeps on when it was woken too early", async () => {
    const { engine, birth } = await parked();
    const before = await world.head(birth.id);
    await world.pool.query("update run set wake_at = now() where id = $1", [birth.id]);
    await engine.wake();
    await world.until(async () => (await world.head(birth.id))?.wakeAt?.getTime() === before?.wakeAt?.getTime());
    expect(stepsOf(await world.events(birth.id))).toHaveLength(3);
  });

  test("is cancelled in its sleep", async () => {
    const { engine, birth } = await parked();
    await world.signalCancel(birth.id);
    await engine.hint([birth.id]);
    await world.ended(birth.id);
    expect(await world.head(birth.id)).toMatchObject({ status: "CANCELLED" });
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });
});

describe("a node that holds all the runs it may", () => {
  test("leaves further ones free, and takes them up when there is room", async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const engine = await world.engine(async (call) => {
      await opened;
      return echo(call);
    });
    const births = Array.from({ length: limits.residentRunsMax + 40 }, () => world.birth(single));
    await Promise.all(births.map((birth) => engine.begin(birth)));
    const { rows } = await world.pool.query(
      "select count(*)::int as n from run where owner_id is null and status = 'QUEUED'",
    );
    expect(rows).toEqual([{ n: 40 }]);
    expect(engine.residentCount()).toBe(limits.residentRunsMax);
    open();
    await world.ended(...births.map(({ id }) => id));
    expect(await problemsOf(world, births.at(-1)?.id ?? "")).toEqual([]);
  });
});

describe("a node that stops", () => {
  test("lets its executors end, gives its runs back, and another goes on with the next step", async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const called: string[] = [];
    const execute: Execute = async (call) => {
      called.push(call.stepId);
      await opened;
      return echo(call);
    };
    const first = await world.engine(execute);
    const birth = world.birth(planOf([actionStep("a", { onSuccess: "b" }), actionStep("b")]));
    await first.begin(birth);
    await world.until(() => called.length === 1);
    const stopped = first.stop();
    open();
    await stopped;
    expect(await world.head(birth.id)).toMatchObject({ status: "RUNNING", ownerId: null });
    expect(stepsOf(await world.events(birth.id))).toEqual(["a.1 RUNNING", "a.1 SUCCEEDED"]);
    await expect(first.begin(world.birth(single))).rejects.toMatchObject({ code: "unavailable" });
    await world.engine(execute);
    await world.ended(birth.id);
    expect(called).toEqual(["a", "b"]);
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });

  test("stops also while what a step needs can't be read, and another node starts that step", async () => {
    const variables = () => new Promise<never>(() => {});
    const first = await world.engine(() => expect.unreachable(), { steps: { variables } });
    const birth = world.birth(single);
    await first.begin(birth);
    await first.stop();
    await world.engine(echo);
    await world.ended(birth.id);
    expect(stepsOf(await world.events(birth.id))).toEqual(["only.1 RUNNING", "only.1 SUCCEEDED"]);
  });
});
