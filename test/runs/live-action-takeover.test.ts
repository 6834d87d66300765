import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Adapter, AdapterResult } from "../../src/live-actions/adapter.ts";
import type { PlanLiveActionStep } from "../../src/playbooks/plan.ts";
import { type Asked, scriptedAdapter } from "../live-actions/adapters.ts";
import { held } from "../live-actions/dispatch-world.ts";
import { problemsOf } from "./engine-world.ts";
import { LiveActionWorld } from "./live-action-world.ts";
import { liveActionStep, planOf } from "./walk-driver.ts";

let world: LiveActionWorld;
beforeAll(async () => {
  world = await LiveActionWorld.create();
});
afterEach(() => world.reset());
afterAll(() => world.close());

const done: AdapterResult = { status: "SUCCEEDED", summary: "Done.", details: {} };

/** A run whose vendor is called and does not answer, on a node that the others take for dead. */
async function taken(adapter: Partial<Adapter> = {}, step: Partial<PlanLiveActionStep> = {}) {
  const asked: Asked[] = [];
  const answer = held<AdapterResult>();
  const first = await world.node([scriptedAdapter({ asked, answer: () => answer.promise, ...adapter })]);
  const birth = world.engines.birth(planOf([liveActionStep("a", step)]));
  await first.engine.begin(birth);
  await world.engines.until(() => asked.length === 1);
  await world.bury();
  const runId = birth.id;
  const takeOver = () => world.node([scriptedAdapter({ asked, ...adapter })]);
  const interrupted = () => world.engines.until(async () => (await world.step(runId))?.interruptions === 1);
  const ended = async () => {
    await world.engines.ended(runId);
    expect(await problemsOf(world.engines, runId)).toEqual([]);
    return world.step(runId);
  };
  return { asked, answer, first, runId, takeOver, interrupted, ended };
}

describe("a live action whose node is taken for dead", () => {
  test("is waited for where that node lives on, and the vendor is called once", async () => {
    const { asked, answer, takeOver, interrupted, ended, runId } = await taken({}, { target: "{{ now }}" });
    await takeOver();
    await interrupted();
    answer.release(done);
    expect(await ended()).toMatchObject({ status: "SUCCEEDED", attempt: 2, output: { requestId: `${runId}:a:1:1` } });
    expect(asked).toHaveLength(1);
    expect(await world.dispatches()).toHaveLength(1);
  });

  test("that is dead, fails as one whose effect is unknown, and is not tried again", async () => {
    const { asked, answer, takeOver, interrupted, ended } = await taken({}, { maxRetries: 3 });
    const next = await takeOver();
    await interrupted();
    await world.sweep(next);
    expect(await ended()).toMatchObject({ status: "FAILED", error: { code: "effect_unknown" }, isFinal: true });
    expect(asked).toHaveLength(1);
    answer.release(done);
  });

  test.each<[string, Partial<Adapter>]>([
    ["doing it twice is doing it once", { isIdempotent: true }],
    ["it only looks", { impact: "READ_ONLY" }],
  ])("is called again where %s", async (_why, adapter) => {
    const { asked, answer, takeOver, interrupted, ended, runId } = await taken(adapter);
    const next = await takeOver();
    await interrupted();
    await world.sweep(next);
    expect(await ended()).toMatchObject({ status: "SUCCEEDED" });
    expect(asked.map(({ request }) => request.requestId)).toEqual([`${runId}:a:1:1`, `${runId}:a:1:1:again1`]);
    answer.release(done);
  });

  test("is not called again where its author says so", async () => {
    const { asked, answer, takeOver, interrupted, ended } = await taken(
      { isIdempotent: true },
      { onInterrupt: "fail" },
    );
    const next = await takeOver();
    await interrupted();
    await world.sweep(next);
    expect(await ended()).toMatchObject({ status: "FAILED", error: { code: "effect_unknown" } });
    expect(asked).toHaveLength(1);
    answer.release(done);
  });

  test("is dispatched by the next node where it never was", async () => {
    const asked: Asked[] = [];
    const first = await world.node([scriptedAdapter({ asked })]);
    const birth = world.engines.birth(planOf([liveActionStep("a")]));
    // The journal has the start of the step, and nothing came of it.
    await first.engine.stop();
    await world.engines.leaveFree(birth);
    const at = "now(), 1, 'STEP_STATUS', 'a', 1, 'RUNNING', '{}'";
    await world.engines.pool.query(
      `insert into run_event (run_id, sequence, tenant_id, at, run_attempt, type, label) select id, 2, tenant_id, now(), 1, 'RUN_STATUS', 'RUNNING' from run`,
    );
    await world.engines.pool.query(
      `insert into run_event (run_id, sequence, tenant_id, at, run_attempt, type, step_id, attempt, label, body) select id, 3, tenant_id, ${at} from run`,
    );
    await world.node([scriptedAdapter({ asked })]);
    await world.engines.ended(birth.id);
    expect(asked.map(({ request }) => request.requestId)).toEqual([`${birth.id}:a:1:1`]);
  });

  test("is told as it ended, though what it is done to could not be told any more", async () => {
    const asked: Asked[] = [];
    const first = await world.node([scriptedAdapter({ asked })], { variables: () => ({ host: "host-77" }) });
    await world.gate();
    const birth = world.engines.birth(planOf([liveActionStep("a", { target: "{{ env.host }}" })]));
    await first.engine.begin(birth);
    const [approval] = await world.asked();
    await first.engine.stop();
    const next = await world.node([scriptedAdapter({ asked })], { variables: () => ({}) });
    await world.engines.until(async () => (await world.step(birth.id))?.attempt === 2);
    await world.decide(next, approval!, "APPROVE");
    await world.engines.ended(birth.id);
    expect(await world.step(birth.id)).toMatchObject({ status: "SUCCEEDED", attempt: 2 });
    expect(asked.map(({ request }) => [request.requestId, request.target])).toEqual([[`${birth.id}:a:1:1`, "host-77"]]);
  });

  test("is told as it ended, where its run was cancelled meanwhile", async () => {
    const { asked, answer, takeOver, ended, runId } = await taken();
    await world.engines.signalCancel(runId);
    await takeOver();
    answer.release(done);
    expect(await ended()).toMatchObject({ status: "SUCCEEDED", attempt: 1 });
    expect((await world.engines.head(runId))?.status).toBe("CANCELLED");
    expect(asked).toHaveLength(1);
  });
});

describe("a live action that waits for people while its node dies and its run is cancelled", () => {
  /** Its run, once the node that asked has stopped. */
  async function waiting() {
    const asked: Asked[] = [];
    const first = await world.node([scriptedAdapter({ asked })]);
    await world.gate();
    const birth = world.engines.birth(planOf([liveActionStep("a")]));
    await first.engine.begin(birth);
    await world.asked();
    await first.engine.stop();
    return { asked, runId: birth.id };
  }

  async function expectWithdrawn({ asked, runId }: Awaited<ReturnType<typeof waiting>>) {
    await world.engines.ended(runId);
    expect(await problemsOf(world.engines, runId)).toEqual([]);
    expect(await world.step(runId)).toMatchObject({ status: "CANCELLED", attempt: 1 });
    expect((await world.approvals()).map(({ status }) => status)).toEqual(["CLOSED"]);
    expect(await world.dispatches()).toMatchObject([{ state: "COMPLETED", error: "cancelled" }]);
    expect(asked).toEqual([]);
  }

  test("asks nobody any more", async () => {
    const run = await waiting();
    await world.engines.signalCancel(run.runId);
    await world.node([scriptedAdapter({ asked: run.asked })]);
    await expectWithdrawn(run);
  });

  test("asks nobody any more, though the next node was about to go on with it", async () => {
    const run = await waiting();
    const known = held<Record<string, string>>();
    await world.node([scriptedAdapter({ asked: run.asked })], { variables: () => known.promise });
    await world.engines.until(async () => (await world.step(run.runId))?.status === "PENDING");
    await world.engines.signalCancel(run.runId);
    await expectWithdrawn(run);
    known.release({});
  });
});
