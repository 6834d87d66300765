import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { actionPlan } from "../../src/runs/action-plan.ts";
import { Hub } from "../../src/runs/hub.ts";
import {
  catalogueOf,
  definitionOf,
  EngineWorld,
  type Execute,
  echo,
  failed,
  problemsOf,
  single,
  stepsOf,
} from "./engine-world.ts";
import { actionStep, conditionStep, planOf } from "./walk-driver.ts";

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
});
afterEach(() => world.reset());
afterAll(() => world.close());

describe("a run of a playbook", () => {
  test("goes from step to step, and what one found flows into the next", async () => {
    const engine = await world.engine(echo);
    const plan = planOf([
      actionStep("a", { parameters: { value: "{{ finding.ip }}" }, onSuccess: "c" }),
      conditionStep("c", { expression: "{{ steps.a.output.value }} == '10.0.0.1'", onTrue: "b", onFalse: null }),
      actionStep("b", {
        parameters: { value: "{{ steps.a.output.value }} in {{ env.region }} by {{ steps.c.status }}" },
      }),
    ]);
    const birth = world.birth(plan, { context: { finding: { ip: "10.0.0.1" } } });
    expect(await engine.begin(birth)).toBe("written");
    await world.ended(birth.id);
    expect((await world.state(birth.id)).steps.get("b")?.output).toEqual({ value: "10.0.0.1 in eu by succeeded" });
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });

  test("tells its subscribers of every event, once each, and only of what is durable", async () => {
    const hub = new Hub();
    const engine = await world.engine(echo, { hub });
    const birth = world.birth(planOf([actionStep("a", { onSuccess: "b" }), actionStep("b")]));
    const told: { sequence: number; durable: Promise<number> }[] = [];
    hub.onRun(birth.id, (events) => {
      const durable = world.events(birth.id).then(({ length }) => length);
      for (const { sequence } of events ?? []) told.push({ sequence, durable });
    });
    await engine.begin(birth);
    await world.ended(birth.id);
    await world.until(() => told.length === 6);
    expect(told.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const { sequence, durable } of told) expect(await durable).toBeGreaterThanOrEqual(sequence);
  });

  test("is durable and begun before its executor is called, and its outcome before the next is", async () => {
    const seen: string[][] = [];
    const engine = await world.engine(async (call) => {
      seen.push(stepsOf(await world.events(call.runId)));
      return echo(call);
    });
    const birth = world.birth(planOf([actionStep("a", { onSuccess: "b" }), actionStep("b")]));
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(seen).toEqual([["a.1 RUNNING"], ["a.1 RUNNING", "a.1 SUCCEEDED", "b.1 RUNNING"]]);
  });

  test("tries a failing step again, with the same idempotency key, and counts what stays failed", async () => {
    const keys: string[] = [];
    const engine = await world.engine(({ attempt }) => {
      keys.push(attempt.idempotencyKey);
      return failed;
    });
    const step = actionStep("a", { maxRetries: 2, retryDelayMs: 5, onFailure: "continue" });
    const birth = world.birth(planOf([step]));
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(keys).toEqual(Array(3).fill(`${birth.id}:a`));
    expect(await world.head(birth.id)).toMatchObject({ status: "SUCCEEDED", failed: 1 });
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });

  test("begins again as its next attempt where the playbook says so", async () => {
    let calls = 0;
    const engine = await world.engine((call) => (++calls < 3 ? failed : echo(call)));
    const birth = world.birth(planOf([actionStep("a", { onFailure: "retry" })], { maxRetries: 4 }));
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(await world.head(birth.id)).toMatchObject({ status: "SUCCEEDED", attempt: 3, failed: 0 });
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });

  test("fails where an action can't be resolved, without calling anything", async () => {
    const engine = await world.engine(() => expect.unreachable());
    const birth = world.birth(planOf([actionStep("a", { actionId: "missing", maxRetries: 9 })]));
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(stepsOf(await world.events(birth.id))).toEqual(["a.1 FAILED"]);
    expect(await world.head(birth.id)).toMatchObject({ status: "FAILED", errorCode: "not_found" });
  });

  test("of 300 others at once has its own events only, none missing", async () => {
    const engine = await world.engine(echo);
    const plan = planOf(["a", "b", "c"].map((id, index, ids) => actionStep(id, { onSuccess: ids[index + 1] ?? null })));
    const births = Array.from({ length: 300 }, () => world.birth(plan));
    await Promise.all(births.map((birth) => engine.begin(birth)));
    await world.ended(...births.map(({ id }) => id));
    for (const { id } of births) expect(await problemsOf(world, id)).toEqual([]);
    expect(engine.residentCount()).toBe(0);
  });
});

describe("an action executed by itself", () => {
  const plan = actionPlan({ actionId: "lookup", name: "lookup", version: "1.0.0" });
  const birthOf = (rest = {}) =>
    world.birth(plan, { kind: "ACTION", plan, playbookId: undefined, playbookVersionId: undefined, ...rest } as never);

  test("takes the caller's parameters as they are, and ends as its step does", async () => {
    const engine = await world.engine(echo);
    const birth = birthOf({ parameters: { value: "{{ finding.ip }}" } });
    await engine.begin(birth);
    await world.ended(birth.id);
    expect((await world.state(birth.id)).steps.get("action")).toMatchObject({ output: { value: "{{ finding.ip }}" } });
  });

  test("refuses what breaks its parameters' rules, naming it", async () => {
    const engine = await world.engine(() => expect.unreachable());
    const birth = birthOf({ parameters: { value: 7 } });
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(await world.head(birth.id)).toMatchObject({ status: "FAILED", errorCode: "invalid_parameters" });
  });

  test("is skipped, its executor not called, where its conditions don't hold", async () => {
    const rule = { operator: "and", rules: [{ field: "finding.cvss", op: "gte", value: 9 }] };
    const actions = catalogueOf({ lookup: definitionOf("lookup", { conditions: rule }) });
    const engine = await world.engine(() => expect.unreachable(), { steps: { actions } });
    const birth = birthOf({ context: { finding: { cvss: 5 } } });
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(await world.head(birth.id)).toMatchObject({ status: "SKIPPED" });
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });

  test("erases its sealed secrets when it ends, and shows them nowhere", async () => {
    const secret = "s3cret-value-of-the-call";
    const parameters = [{ name: "token", type: "secret" as const }];
    const target = "https://executor.example/lookup";
    const executor = { type: "remote" as const, target, headers: { authorization: "Bearer {{ parameters.token }}" } };
    const actions = catalogueOf({ lookup: definitionOf("lookup", { parameters, executor }) });
    let seen: unknown;
    const execute: Execute = ({ attempt }) => {
      seen = { headers: (attempt.call as { headers?: unknown }).headers, secrets: attempt.secrets };
      return failed;
    };
    const engine = await world.engine(execute, { steps: { actions } });
    const birth = birthOf({
      givenSecrets: { token: secret },
      sealedSecrets: JSON.stringify({ givenSecrets: { token: secret } }),
    });
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(seen).toEqual({ headers: { authorization: `Bearer ${secret}` }, secrets: [secret] });
    expect((await world.head(birth.id))?.sealedSecrets).toBeNull();
    expect(JSON.stringify(await world.events(birth.id))).not.toContain(secret);
  });
});

describe("what an executor reports", () => {
  const outcomeOf = async (execute: Execute) => {
    const engine = await world.engine(execute);
    const birth = world.birth(single);
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(await problemsOf(world, birth.id)).toEqual([]);
    return world.state(birth.id);
  };

  test("fails the step when it is more than is kept", async () => {
    const state = await outcomeOf(() => ({ status: "SUCCEEDED", output: "x".repeat(limits.outputBytesMax) }));
    expect(state.steps.get("only")).toMatchObject({ status: "FAILED", error: { code: "output_too_large" } });
  });

  test("is stored with U+FFFD where PostgreSQL could not hold it", async () => {
    const state = await outcomeOf(({ attempt }) => {
      attempt.onLog("STDERR", "a\u0000b\ud800c");
      return { status: "SUCCEEDED", output: { "k\u0000": ["\udc00", "fine"] } };
    });
    expect(state.steps.get("only")?.output).toEqual({ "k\ufffd": ["\ufffd", "fine"] });
  });

  test("is stored also where its error is nothing a database could hold", async () => {
    const error = { code: `${"c".repeat(400)}\u0000`, message: `\ud800\u0000${"m".repeat(100_000)}` };
    const state = await outcomeOf(() => ({ status: "FAILED", error }));
    expect(state.steps.get("only")?.error?.code).toMatch(/^c+$/);
    expect(state.error?.message).toContain("\ufffd\ufffdmmm");
  });

  test("fails the step when it breaks, and says no more than that", async () => {
    const state = await outcomeOf(() => {
      throw new Error("private detail");
    });
    expect(state.steps.get("only")?.error?.code).toBe("internal_error");
    expect(JSON.stringify([...state.steps.values()])).not.toContain("private detail");
  });

  test("ends its own run only, and for good, when the database will not take it", async () => {
    await world.pool.query(
      "alter table run_event add constraint poison check (body ->> 'output' is distinct from 'poison')",
    );
    const engine = await world.engine((call) =>
      call.action === "poison" ? { status: "SUCCEEDED", output: "poison" } : echo(call),
    );
    const poison = planOf([actionStep("poison", { onFailure: "continue", onSuccess: "b" }), actionStep("b")]);
    const births = Array.from({ length: 40 }, (_, index) => world.birth(index === 20 ? poison : single));
    await Promise.all(births.map((birth) => engine.begin(birth)));
    await world.ended(...births.map(({ id }) => id));
    const states = await Promise.all(births.map(({ id }) => world.state(id)));
    expect(states.flatMap(({ status }, index) => (status === "SUCCEEDED" ? [] : [index]))).toEqual([20]);
    expect(states[20]).toMatchObject({ status: "FAILED", error: { code: "internal_error" } });
    for (const { id } of births) expect(await problemsOf(world, id)).toEqual([]);
    await world.pool.query("alter table run_event drop constraint poison");
  });

  test("is put off, and holds nobody up, where the database will not even take the run's failure", async () => {
    await world.pool.query(
      "alter table run add constraint poison check (finished_at is null or context ->> 'is' is null)",
    );
    const engine = await world.engine(echo);
    const [poison, other] = [world.birth(single, { context: { is: "poison" } }), world.birth(single)];
    await Promise.all([engine.begin(poison), engine.begin(other)]);
    await world.ended(other.id);
    await world.until(async () => (await world.head(poison.id))?.ownerId === null);
    expect((await world.head(poison.id))?.wakeAt?.getTime()).toBeGreaterThan(Date.now());
    await world.pool.query("alter table run drop constraint poison");
    await world.pool.query("update run set wake_at = now() where id = $1", [poison.id]);
    await engine.wake();
    await world.ended(poison.id);
    expect(await problemsOf(world, poison.id)).toEqual([]);
  });

  test("has its lines in order between the start and the outcome, up to the bound, and says where they end", async () => {
    const engine = await world.engine(({ attempt }) => {
      for (let line = 0; line < limits.logLinesPerAttemptMax + 50; line += 1) attempt.onLog("STDOUT", `line ${line}`);
      return { status: "SUCCEEDED", output: null };
    });
    const birth = world.birth(single);
    await engine.begin(birth);
    await world.ended(birth.id);
    const events = await world.events(birth.id);
    const texts = events.flatMap((event) => (event.type === "LOG" ? [event.text] : []));
    expect(texts).toEqual(Array.from({ length: limits.logLinesPerAttemptMax }, (_, line) => `line ${line}`));
    expect(events.filter((event) => event.type === "NOTICE" && event.code === "log_truncated")).toHaveLength(1);
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });
});
