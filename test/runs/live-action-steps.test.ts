import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import type { AdapterResult } from "../../src/live-actions/adapter.ts";
import type { PlanStep } from "../../src/playbooks/plan.ts";
import type { NewRun } from "../../src/runs/new-run.ts";
import { type Asked, scriptedAdapter } from "../live-actions/adapters.ts";
import { problemsOf, stepsOf, tenantId } from "./engine-world.ts";
import { type LiveActionNode, LiveActionWorld } from "./live-action-world.ts";
import { actionStep, liveActionStep, parallelSteps, planOf } from "./walk-driver.ts";

let world: LiveActionWorld;
beforeAll(async () => {
  world = await LiveActionWorld.create();
});
afterEach(() => world.reset());
afterAll(() => world.close());

const refused: AdapterResult = { status: "FAILED", error: "not_permitted", summary: "No.", details: { why: "no" } };

async function begin({ engine }: LiveActionNode, steps: readonly PlanStep[], rest: Partial<NewRun> = {}) {
  const birth = world.engines.birth(planOf(steps), rest);
  await engine.begin(birth);
  return birth.id;
}

/** The run's events of steps, once it has ended as no run may not. */
async function trailOf(runId: string): Promise<string[]> {
  await world.engines.ended(runId);
  expect(await problemsOf(world.engines, runId)).toEqual([]);
  return stepsOf(await world.engines.events(runId));
}

describe("a step that dispatches a live action", () => {
  test("asks what its templates find, shows no credential, and hands its result on", async () => {
    const asked: Asked[] = [];
    const node = await world.node([scriptedAdapter({ asked })]);
    const params = { note: "{{ finding.title }}", acme_token: "{{ finding.token }}", list: ["{{ finding.ids }}"] };
    const runId = await begin(
      node,
      [
        liveActionStep("a", { target: "{{ finding.host }}", params, onSuccess: "b" }),
        actionStep("b", { parameters: { value: "{{ steps.a.output.status }} by {{ steps.a.output.vendorId }}" } }),
      ],
      { context: { finding: { host: "h{{ x }}", title: "Odd", token: "of-the-event", ids: [1] } } },
    );
    expect(await trailOf(runId)).toEqual(["a.1 RUNNING", "a.1 SUCCEEDED", "b.1 RUNNING", "b.1 SUCCEEDED"]);
    const requestId = `${runId}:a:1:1`;
    expect(asked).toEqual([
      {
        what: "execute",
        request: { requestId, target: "h{{ x }}", params: { note: "Odd", list: [[1]] } },
        credentials: { acme_id: "me", acme_token: "of-the-event" },
      },
    ]);
    const details = { host: "h{{ x }}", completion: "confirmed" };
    const output = { requestId, status: "succeeded", summary: "Isolated h{{ x }}.", details, vendorId: "acme" };
    expect(await world.step(runId)).toMatchObject({
      ...{ output, warnings: [] },
      input: { capability: "isolate_host", vendorId: null, target: "h{{ x }}", dryRun: false },
    });
    expect((await world.step(runId, "b"))?.output).toEqual({ value: "succeeded by acme" });
    expect(JSON.stringify(await world.step(runId))).not.toContain("of-the-event");
    const [dispatch] = await world.dispatches();
    expect(dispatch).toMatchObject({ requestedBy: "playbook p", actorName: "ann", mode: "LIVE" });
  });

  test("is simulated without credentials, goes on, and is counted", async () => {
    const asked: Asked[] = [];
    const node = await world.node([scriptedAdapter({ asked })], { isConfigured: false });
    const runId = await begin(node, [liveActionStep("a", { onSuccess: "b" }), actionStep("b")]);
    expect(await trailOf(runId)).toEqual(["a.1 RUNNING", "a.1 SIMULATED", "b.1 RUNNING", "b.1 SUCCEEDED"]);
    expect(await world.engines.head(runId)).toMatchObject({ status: "SUCCEEDED", simulated: 1, failed: 0 });
    expect((await world.step(runId))?.output).toMatchObject({ status: "simulated", details: { host: "host-77" } });
    expect(asked.map(({ what }) => what)).toEqual(["preview"]);
  });

  test("fails as its result does, and each further try is a dispatch of its own", async () => {
    const asked: Asked[] = [];
    const node = await world.node([
      scriptedAdapter({
        asked,
        answer: async () => (asked.length < 3 ? refused : { status: "SUCCEEDED", summary: "Done.", details: {} }),
      }),
    ]);
    const runId = await begin(node, [liveActionStep("a", { maxRetries: 2 })]);
    expect((await trailOf(runId)).filter((one) => !one.endsWith("WAITING"))).toEqual([
      ...["a.1 RUNNING", "a.1 FAILED", "a.2 RUNNING", "a.2 FAILED", "a.3 RUNNING", "a.3 SUCCEEDED"],
    ]);
    expect(asked.map(({ request }) => request.requestId)).toEqual([1, 2, 3].map((n) => `${runId}:a:1:${n}`));
    const failure = (await world.engines.events(runId)).find((event) => "error" in event);
    expect(failure).toMatchObject({
      error: { code: "not_permitted", message: "No." },
      output: { status: "failed", details: { why: "no" }, vendorId: "acme" },
    });
  });

  test("is not asked again where the vendor did not answer in time, unless doing it twice is doing it once", async () => {
    for (const isIdempotent of [false, true]) {
      const asked: Asked[] = [];
      const silent = () => new Promise<AdapterResult>(() => undefined);
      const node = await world.node([scriptedAdapter({ asked, isIdempotent, timeoutMs: 20, answer: silent })]);
      const runId = await begin(node, [liveActionStep("a", { maxRetries: 1 })]);
      const tries = isIdempotent ? [1, 2] : [1];
      const trail = (await trailOf(runId)).filter((one) => !one.endsWith("WAITING"));
      expect(trail).toEqual(tries.flatMap((n) => [`a.${n} RUNNING`, `a.${n} FAILED`]));
      expect(asked.map(({ request }) => request.requestId)).toEqual(tries.map((n) => `${runId}:a:1:${n}`));
      expect((await world.step(runId))?.error?.code).toBe("vendor_timeout");
    }
  });

  test("fails where nobody can do it, and contacts nobody where what it is done to comes to nothing", async () => {
    const node = await world.node([scriptedAdapter()]);
    const error = async (rest: Parameters<typeof liveActionStep>[1], context = {}) => {
      const runId = await begin(node, [liveActionStep("a", { maxRetries: 0, ...rest })], { context });
      await world.engines.ended(runId);
      return (await world.step(runId))?.error?.code;
    };
    expect(await error({ capability: "block_ip" })).toBe("executor_not_found");
    expect(await error({ target: "{{ finding.host }}" })).toBe("invalid_target");
    expect(await error({ target: "{{ finding }}" }, { finding: { host: "h" } })).toBe("invalid_target");
    const token = { $secret: "acme_id" };
    expect(await error({ params: { acme_token: "{{ finding.token }}" } }, { finding: { token } })).toBe(
      "secret_from_template",
    );
    expect((await world.dispatches()).map((dispatch) => dispatch.error)).toEqual(["executor_not_found"]);
  });

  test("contacts nobody in a dry run, nor where the step says so, and reads no credential", async () => {
    const asked: Asked[] = [];
    const node = await world.node([scriptedAdapter({ asked })]);
    const steps = [
      liveActionStep("a", { onSuccess: "b" }),
      liveActionStep("b", { target: "{{ steps.a.output.details.host }}" }),
    ];
    const runId = await begin(node, steps, { dryRun: true });
    expect(await trailOf(runId)).toEqual(["a.1 RUNNING", "a.1 SIMULATED", "b.1 SIMULATED"]);
    expect(await world.step(runId, "b")).toMatchObject({
      input: { target: "{{ steps.a.output.details.host }}" },
      output: { status: "simulated" },
      warnings: ["steps.a.output.details.host is not known in a dry run."],
    });
    expect(await trailOf(await begin(node, [liveActionStep("a", { dryRun: true })]))).toEqual([
      ...["a.1 RUNNING", "a.1 SIMULATED"],
    ]);
    expect((await world.dispatches()).map(({ mode }) => mode)).toEqual(["DRY_RUN", "DRY_RUN"]);
    expect(asked.map(({ what }) => what)).toEqual(["preview", "preview"]);
    expect(node.dispatches.opened).toEqual([]);
  });
});

describe("a step whose live action waits for people", () => {
  test("goes on with what they decide, and holds up nothing else meanwhile", async () => {
    const node = await world.node([scriptedAdapter()]);
    await world.gate();
    const gated = Array.from({ length: limits.executorsPerTenantMax }, (_, n) => liveActionStep(`g${n}`));
    const runId = await begin(node, parallelSteps("fork", [...gated, actionStep("free")]));
    await world.asked(gated.length);
    await world.engines.until(async () => (await world.step(runId, "free"))?.status === "SUCCEEDED");
    expect((await world.step(runId, "g0"))?.status).toBe("RUNNING");
    for (const approval of await world.approvals()) await world.decide(node, approval, "APPROVE");
    await world.engines.ended(runId);
    expect((await world.engines.head(runId))?.status).toBe("SUCCEEDED");
  });

  test("fails for good where they say no", async () => {
    const asked: Asked[] = [];
    const node = await world.node([scriptedAdapter({ asked })]);
    await world.gate();
    const runId = await begin(node, [liveActionStep("a", { maxRetries: 3 })]);
    const [approval] = await world.asked();
    await world.decide(node, approval!, "REJECT");
    expect(await trailOf(runId)).toEqual(["a.1 RUNNING", "a.1 FAILED"]);
    expect((await world.step(runId))?.error?.code).toBe("approval_rejected");
    expect(asked).toEqual([]);
  });

  test.each([
    ["is tried again", { maxRetries: 3 }],
    ["goes on", { onFailure: "continue", onSuccess: "b" }],
  ] as const)("fails for good where nobody decides in time, and never %s", async (_what, rest) => {
    const asked: Asked[] = [];
    const node = await world.node([scriptedAdapter({ asked })]);
    await world.gate();
    const runId = await begin(node, [liveActionStep("a", rest), actionStep("b")]);
    await world.asked();
    await world.expire(node);
    expect(await trailOf(runId)).toEqual(["a.1 RUNNING", "a.1 FAILED"]);
    expect(await world.engines.head(runId)).toMatchObject({ status: "FAILED", errorCode: "approval_expired" });
    expect((await world.approvals()).map(({ status }) => status)).toEqual(["EXPIRED"]);
    expect(asked).toEqual([]);
  });

  test("fails for good where it is withdrawn, and never goes on", async () => {
    const asked: Asked[] = [];
    const node = await world.node([scriptedAdapter({ asked })]);
    await world.gate();
    const rest = { maxRetries: 3, onFailure: "continue", onSuccess: "b" } as const;
    const runId = await begin(node, [liveActionStep("a", rest), actionStep("b")]);
    await world.asked();
    await world.withdraw(node, `${runId}:a:1:1`);
    expect(await trailOf(runId)).toEqual(["a.1 RUNNING", "a.1 FAILED"]);
    expect(await world.engines.head(runId)).toMatchObject({ status: "FAILED", errorCode: "withdrawn" });
    expect(asked).toEqual([]);
  });

  test("goes to the step that is named for its failure where nobody decides in time, whichever node asked", async () => {
    const first = await world.node([scriptedAdapter()]);
    await world.gate();
    const runId = await begin(first, [liveActionStep("a", { onFailure: { step: "b" } }), actionStep("b")]);
    await world.asked();
    await first.engine.stop();
    const next = await world.node([scriptedAdapter()]);
    await world.expire(next);
    await world.engines.ended(runId);
    expect(await world.engines.head(runId)).toMatchObject({ status: "SUCCEEDED", failed: 1 });
    expect((await world.step(runId))?.error?.code).toBe("approval_expired");
  });

  test("fails for good where the token that started the run was revoked meanwhile", async () => {
    const asked: Asked[] = [];
    const node = await world.node([scriptedAdapter({ asked })]);
    await world.gate();
    const token = newId();
    const sql = `insert into api_token (id, tenant_id, created_at, name, hash, roles, revoked_at)
      values ($1, $2, now(), 'ci', $3, '{operator}', now())`;
    await world.engines.pool.query(sql, [token, tenantId, token]);
    const startedBy = { kind: "TOKEN", id: token, name: "ci" } as const;
    const runId = await begin(node, [liveActionStep("a", { maxRetries: 3 })], { startedBy });
    const [approval] = await world.asked();
    await world.decide(node, approval!, "APPROVE");
    expect(await trailOf(runId)).toEqual(["a.1 RUNNING", "a.1 FAILED"]);
    expect((await world.step(runId))?.error?.code).toBe("requester_revoked");
    expect(asked).toEqual([]);
  });

  test("asks nobody any more once its run is cancelled, or its time is over", async () => {
    const asked: Asked[] = [];
    const node = await world.node([scriptedAdapter({ asked })]);
    await world.gate();
    const runId = await begin(node, [liveActionStep("a")]);
    await world.asked();
    await world.engines.signalCancel(runId);
    await node.engine.hint([runId]);
    expect(await trailOf(runId)).toEqual(["a.1 RUNNING", "a.1 CANCELLED"]);
    const late = await begin(node, [liveActionStep("a", { timeoutMs: 50, maxRetries: 2 })]);
    expect(await trailOf(late)).toEqual(["a.1 RUNNING", "a.1 TIMED_OUT"]);
    const ended = await begin(node, [liveActionStep("a")]);
    const [approval] = await world.asked();
    await world.decide(node, approval!, "APPROVE");
    await world.engines.ended(ended);
    expect((await world.approvals()).map(({ status }) => status)).toEqual(["CLOSED", "CLOSED", "APPROVED"]);
    expect((await world.dispatches()).map(({ error }) => error)).toEqual(["cancelled", "timed_out", null]);
    expect(asked).toHaveLength(1);
  });

  test("waits on through any number of nodes that stop, and is asked once", async () => {
    const asked: Asked[] = [];
    let node = await world.node([scriptedAdapter({ asked })]);
    await world.gate();
    const runId = await begin(node, [liveActionStep("a", { target: "{{ now }}" })]);
    const [approval] = await world.asked();
    for (let stops = 0; stops <= limits.interruptionsMax; stops += 1) {
      await node.engine.stop();
      node = await world.node([scriptedAdapter({ asked })]);
      await world.engines.until(async () => (await world.step(runId))?.interruptions === stops + 1);
    }
    await world.decide(node, approval!, "APPROVE");
    await world.engines.ended(runId);
    expect((await world.engines.head(runId))?.status).toBe("SUCCEEDED");
    expect(asked.map(({ request }) => request.requestId)).toEqual([`${runId}:a:1:1`]);
    expect(await world.dispatches()).toHaveLength(1);
  });
});
