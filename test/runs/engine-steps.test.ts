import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import type { PlanApprovalStep, PlanDelayStep, PlanParallelStep } from "../../src/playbooks/plan.ts";
import { Hub } from "../../src/runs/hub.ts";
import { EngineWorld, echo, failed, problemsOf, stepsOf, tenantId, untilStopped } from "./engine-world.ts";
import { actionStep, planOf } from "./walk-driver.ts";

const common = { onSuccess: null, onFailure: "abort", maxRetries: 0, retryDelayMs: 0 } as const;
const parallel = (id: string, branches: readonly string[], rest: Partial<PlanParallelStep> = {}): PlanParallelStep => ({
  ...common,
  type: "PARALLEL",
  id,
  name: id,
  branches,
  join: "ALL",
  ...rest,
});
const branch = (id: string, rest: Parameters<typeof actionStep>[1] = {}) =>
  actionStep(id, { parallel: "fork", ...rest });
const delay = (id: string, durationMs: number, rest: Partial<PlanDelayStep> = {}): PlanDelayStep => ({
  ...common,
  type: "DELAY",
  id,
  name: id,
  durationMs,
  ...rest,
});
const approval = (id: string, rest: Partial<PlanApprovalStep> = {}): PlanApprovalStep => ({
  ...common,
  type: "APPROVAL",
  id,
  name: id,
  approvers: [{ role: "lead" }],
  onFailure: "abort",
  onTimeout: "abort",
  ...rest,
});

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
});
afterEach(() => world.reset());
afterAll(() => world.close());

interface Request {
  readonly id: string;
  readonly status: string;
  readonly expiresAt: Date | null;
}

async function requestOf(runId: string): Promise<Request> {
  let found: Request | undefined;
  await world.until(async () => {
    const { rows } = await world.pool.query<Request>(
      'select id, status, expires_at as "expiresAt" from approval where run_id = $1 order by created_at desc',
      [runId],
    );
    found = rows[0];
    return found !== undefined;
  });
  return found as Request;
}

/** As `decideApproval` does it. */
async function decide(runId: string, { id }: Pick<Request, "id">, status = "APPROVED", stepId = "ask"): Promise<void> {
  await world.pool.query(
    `with decided as (
      update approval set status = $2, decided_at = now(), decided_by_kind = 'TOKEN', decided_by_name = 'bob' where id = $1 and status = 'PENDING' returning id
    ) insert into run_signal (id, tenant_id, created_at, run_id, type, body) select $3, $4, now(), $5, 'APPROVAL', $6 from decided`,
    [id, status, newId(), tenantId, runId, { approvalId: id, stepId, status, by: "bob", comment: "fine" }],
  );
}

describe("a parallel step", () => {
  test("runs its branches at once, and the run goes on when all have ended", async () => {
    let atWork = 0;
    const both = Promise.withResolvers<void>();
    const engine = await world.engine(async (call) => {
      if (call.stepId !== "after" && ++atWork === 2) both.resolve();
      await both.promise;
      return echo(call);
    });
    const plan = planOf([
      parallel("fork", ["left", "right"], { onSuccess: "after" }),
      branch("left"),
      branch("right"),
      actionStep("after", { parameters: { value: "{{ steps.left.status }}" } }),
    ]);
    const birth = world.birth(plan);
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(await problemsOf(world, birth.id)).toEqual([]);
    const { steps, status } = await world.state(birth.id);
    expect([status, steps.get("after")?.output, steps.get("fork")?.output]).toEqual([
      "SUCCEEDED",
      { value: "succeeded" },
      { branches: { left: "succeeded", right: "succeeded" } },
    ]);
  });

  test("with join any goes on with the first that ends; the run ends after the last", async () => {
    const slow = Promise.withResolvers<void>();
    const engine = await world.engine(async (call) => {
      if (call.stepId === "slow") await slow.promise;
      return echo(call);
    });
    const plan = planOf([
      parallel("fork", ["slow", "quick"], { join: "ANY", onSuccess: "after" }),
      branch("slow"),
      branch("quick"),
      actionStep("after"),
    ]);
    const birth = world.birth(plan);
    await engine.begin(birth);
    await world.until(async () => (await world.state(birth.id)).steps.get("after")?.status === "SUCCEEDED");
    expect((await world.head(birth.id))?.status).toBe("RUNNING");
    slow.resolve();
    await world.ended(birth.id);
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });

  test("is taken up by the next node with its interrupted branches only", async () => {
    const first = await world.engine((call) => (call.stepId === "left" ? echo(call) : untilStopped(call)));
    const plan = planOf([parallel("fork", ["left", "right"]), branch("left"), branch("right")]);
    const birth = world.birth(plan);
    await first.begin(birth);
    await world.until(async () => (await world.state(birth.id)).steps.get("left")?.status === "SUCCEEDED");
    await world.pool.query("update node set left_at = now(), epoch = epoch + 1");
    await world.pool.query("update run set owner_id = null, wake_at = now()");
    await world.engine(echo);
    await world.ended(birth.id);
    expect(await problemsOf(world, birth.id)).toEqual([]);
    expect(stepsOf(await world.events(birth.id)).filter((one) => one.startsWith("left"))).toEqual([
      "left.1 RUNNING",
      "left.1 SUCCEEDED",
    ]);
  });

  test("whose time is over ends its branches, and is timed out", async () => {
    const engine = await world.engine(untilStopped);
    const birth = world.birth(planOf([parallel("fork", ["left"], { timeoutMs: 30 }), branch("left")]));
    await engine.begin(birth);
    await world.ended(birth.id);
    const { steps, error } = await world.state(birth.id);
    expect([steps.get("left")?.status, steps.get("fork")?.status, error?.code]).toEqual([
      "CANCELLED",
      "TIMED_OUT",
      "timed_out",
    ]);
  });

  test("is cancelled with its branches", async () => {
    const engine = await world.engine(untilStopped);
    const birth = world.birth(
      planOf([parallel("fork", ["left", "later"]), branch("left"), delay("later", 60_000, { parallel: "fork" })]),
    );
    await engine.begin(birth);
    await world.until(async () => (await world.state(birth.id)).steps.get("left")?.status === "RUNNING");
    await world.signalCancel(birth.id);
    await engine.hint([birth.id]);
    await world.ended(birth.id);
    expect(await problemsOf(world, birth.id)).toEqual([]);
    expect((await world.head(birth.id))?.status).toBe("CANCELLED");
  });
});

describe("a delay", () => {
  test("lets the run go on when it is over", async () => {
    const engine = await world.engine(echo);
    const birth = world.birth(planOf([delay("wait", 20, { onSuccess: "after" }), actionStep("after")]));
    await engine.begin(birth);
    await world.ended(birth.id);
    expect(stepsOf(await world.events(birth.id))).toEqual([
      "wait.1 WAITING",
      "wait.1 SUCCEEDED",
      "after.1 RUNNING",
      "after.1 SUCCEEDED",
    ]);
  });

  test("that is long is slept through, and survives its node", async () => {
    const engine = await world.engine(echo);
    const birth = world.birth(planOf([delay("wait", 3_600_000)]));
    await engine.begin(birth);
    await world.until(() => engine.residentCount() === 0);
    expect(await world.head(birth.id)).toMatchObject({ status: "WAITING", ownerId: null });
    await engine.stop();
    await world.pool.query("update run set wake_at = now()");
    await world.pool.query(
      "update run_event set body = jsonb_set(body, '{until}', to_jsonb(1)) where label = 'WAITING' and step_id = 'wait'",
    );
    await world.engine(echo);
    await world.ended(birth.id);
    expect(await problemsOf(world, birth.id)).toEqual([]);
  });
});

describe("an approval", () => {
  const plan = planOf([
    approval("ask", { onSuccess: "act", onFailure: { step: "refused" }, onTimeout: { step: "late" } }),
    actionStep("act"),
    actionStep("refused"),
    actionStep("late"),
  ]);
  const begun = async (given = plan, rest = {}) => {
    const hub = new Hub();
    const engine = await world.engine(echo, { hub });
    const birth = world.birth(given, rest);
    await engine.begin(birth);
    return { engine, id: birth.id, request: await requestOf(birth.id) };
  };

  test.each([
    ["APPROVED", "act"],
    ["REJECTED", "refused"],
  ])("that is %s leads to %s", async (status, next) => {
    const { engine, id, request } = await begun();
    expect(await world.head(id)).toMatchObject({ status: "WAITING" });
    await decide(id, request, status);
    await engine.hint([id]);
    await world.ended(id);
    expect(await problemsOf(world, id)).toEqual([]);
    const { steps } = await world.state(id);
    expect([...steps.keys()]).toEqual(["ask", next]);
    expect(steps.get("ask")?.output).toEqual({ decision: status.toLowerCase(), decidedBy: "bob", comment: "fine" });
  });

  test("that nobody decides in time expires, also in a run that sleeps", async () => {
    const timed = planOf([approval("ask", { timeoutMs: 1_200, onTimeout: { step: "late" } }), actionStep("late")]);
    const { id } = await begun(timed);
    await world.ended(id);
    expect(await problemsOf(world, id)).toEqual([]);
    expect((await requestOf(id)).status).toBe("EXPIRED");
    expect([...(await world.state(id)).steps.values()].map(({ status }) => status)).toEqual(["TIMED_OUT", "SUCCEEDED"]);
  });

  test("of a run that is cancelled is closed", async () => {
    const { engine, id, request } = await begun();
    await world.signalCancel(id);
    await engine.hint([id]);
    await world.ended(id);
    expect((await requestOf(id)).status).toBe("CLOSED");
    await decide(id, request);
    expect((await requestOf(id)).status).toBe("CLOSED");
    expect(await problemsOf(world, id)).toEqual([]);
  });

  test("of a run whose time is over is closed", async () => {
    const { id } = await begun({ ...plan, timeoutMs: 1_100 });
    await world.ended(id);
    expect((await requestOf(id)).status).toBe("CLOSED");
    expect((await world.head(id))?.status).toBe("TIMED_OUT");
  });

  test("is asked for once, however many nodes are told to begin the run", async () => {
    const first = await world.engine(echo);
    const second = await world.engine(echo);
    const key = { idempotencyKey: "once", inputHash: "0" };
    const births = [world.birth(plan, key), world.birth(plan, key)] as const;
    const results = await Promise.all([first.begin(births[0]), second.begin(births[1])]);
    expect(results.toSorted()).toEqual(["conflict", "written"]);
    const { rows } = await world.pool.query("select run_id from approval");
    expect(rows).toHaveLength(1);
  });
});

test("a step that fails beside others in a parallel step fails it, after the last", async () => {
  const engine = await world.engine((call) => (call.stepId === "left" ? failed : echo(call)));
  const birth = world.birth(planOf([parallel("fork", ["left", "right"]), branch("left"), branch("right")]));
  await engine.begin(birth);
  await world.ended(birth.id);
  expect(await problemsOf(world, birth.id)).toEqual([]);
  expect(await world.head(birth.id)).toMatchObject({ status: "FAILED", errorCode: "exit_code", failed: 2 });
});
