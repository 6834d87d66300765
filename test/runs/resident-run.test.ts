import { describe, expect, test } from "vitest";
import { silentLog } from "../../src/core/log.ts";
import type { Outcome } from "../../src/executors/executor.ts";
import { fromRow, type RunEvent } from "../../src/runs/events.ts";
import type { Journal } from "../../src/runs/journal.ts";
import type { RunInfo } from "../../src/runs/new-run.ts";
import type { ResidentPorts } from "../../src/runs/resident-ports.ts";
import { ResidentRun } from "../../src/runs/resident-run.ts";
import type { Signal } from "../../src/runs/signal.ts";
import type { RunPlan } from "../../src/runs/walk.ts";
import { catalogueOf, noAgentTasks, noLiveActions, plentyOfMemory } from "./engine-world.ts";
import { replayed } from "./resident-walk.ts";
import { actionStep, approvalStep, conditionStep, delayStep, parallelSteps, planOf } from "./walk-driver.ts";

type Outcomes = (call: number) => Outcome | undefined;

/** One run in memory, with its journal, its clock and the inputs of its steps in the hands of the test. */
class Bench {
  readonly events: RunEvent[] = [];
  /** Steps whose executors were called; one without an outcome ends when it is told to. */
  readonly called: string[] = [];
  readonly run: ResidentRun;
  now = 1_000;
  isDisabled = false;
  /** How often it was read for certain whether the tenant is disabled. */
  readings = 0;
  /** What comes from now on has to wait for its inputs. */
  isSlow = false;
  readonly #outcomes: Outcomes;
  readonly #entries: (() => void)[] = [];
  readonly #inputs: (() => void)[] = [];
  #isHeld = false;

  constructor(plan: RunPlan, outcomes: Outcomes = () => undefined, past: readonly RunEvent[] = []) {
    const startedBy = { kind: "SYSTEM", name: "test" } as const;
    const about = { id: "r", tenantId: "t", kind: plan.kind, context: {}, givenSecrets: {}, createdAt: 0 };
    const info: RunInfo = { ...about, plan, startedBy };
    this.#outcomes = outcomes;
    this.events.push(...past);
    this.run = new ResidentRun(this.#ports(), info, replayed(plan, past));
  }

  /** How many steps wait for their inputs. */
  get waiting(): number {
    return this.#inputs.length;
  }

  begin({ isHeld = false } = {}): this {
    this.#isHeld = isHeld;
    void this.run.begin({} as never);
    return this;
  }

  /** The first hand-over, which was held up, is durable. */
  settle(): void {
    this.#isHeld = false;
    for (const settle of this.#entries.splice(0)) settle();
  }

  /** All inputs that were waited for are known. */
  know(): void {
    this.isSlow = false;
    for (const know of this.#inputs.splice(0)) know();
  }

  trail(): string[] {
    return this.events.map((event) => {
      if (event.type === "STEP_STATUS") return `${event.stepId}.${event.attempt} ${event.status}`;
      if (event.type === "RUN_STATUS") return `run.${event.runAttempt} ${event.status}`;
      return event.type === "NOTICE" ? event.code : "log";
    });
  }

  /** Resolves when that is the last thing that happened. */
  async last(word: string): Promise<void> {
    await expect.poll(() => this.trail().at(-1)).toBe(word);
  }

  #ports(): ResidentPorts {
    const journal: Pick<Journal, "append" | "room"> = {
      room: () => undefined,
      append: ({ events, settled }) => {
        for (const row of events) this.events.push(fromRow(row));
        if (this.#isHeld) this.#entries.push(() => settled("written"));
        else settled("written");
      },
    };
    return {
      journal,
      steps: {
        actions: catalogueOf(),
        variables: () => (this.isSlow ? new Promise((known) => this.#inputs.push(() => known({}))) : {}),
        readSecrets: async () => new Map(),
        execute: (attempt) => this.#execute(attempt.idempotencyKey.split(":")[1] ?? "", attempt.signal),
        liveActions: noLiveActions,
        agentTasks: noAgentTasks,
        now: () => this.now,
        log: silentLog,
      },
      tenants: {
        isDisabled: () => this.isDisabled,
        believable: () => undefined,
        renew: async () => {
          this.readings += 1;
        },
      },
      ...plentyOfMemory(),
      hub: { publish: () => undefined },
      expire: () => undefined,
      onReleased: () => undefined,
    };
  }

  async #execute(stepId: string, signal: AbortSignal): Promise<Outcome> {
    this.called.push(stepId);
    const outcome = this.#outcomes(this.called.length);
    if (outcome) return outcome;
    if (signal.aborted) return { status: "CANCELLED" };
    return new Promise((end) => signal.addEventListener("abort", () => end({ status: "CANCELLED" })));
  }
}

const failed = { status: "FAILED", error: { code: "exit_code", message: "It broke." } } as const;
const succeeded = { status: "SUCCEEDED", output: null } as const;
const cancel: Signal = { id: "cancel", type: "CANCEL", body: { by: "ann" } };

describe("a run in memory", () => {
  test("is cancelled while the inputs of a retry are worked out", async () => {
    const bench = new Bench(planOf([actionStep("a", { maxRetries: 1 })]), () => failed).begin();
    bench.isSlow = true;
    await expect.poll(() => bench.waiting).toBe(1);
    bench.run.signal([cancel]);
    bench.know();
    expect(bench.trail().slice(-3)).toEqual(["cancel_requested", "a.2 CANCELLED", "run.1 CANCELLED"]);
  });

  test("is cancelled while the inputs of an interrupted step are worked out", async () => {
    const at = { at: 1_000, runAttempt: 1 };
    const bench = new Bench(planOf([actionStep("a")]), undefined, [
      { ...at, type: "RUN_STATUS", status: "RUNNING", sequence: 1 },
      { ...at, type: "STEP_STATUS", stepId: "a", attempt: 1, status: "RUNNING", sequence: 2 },
    ]);
    bench.isSlow = true;
    bench.run.resume([]);
    bench.run.signal([cancel]);
    expect(bench.trail().slice(2)).toEqual([
      ...["step_interrupted", "cancel_requested", "a.1 CANCELLED", "run.1 CANCELLED"],
    ]);
  });

  test("does not call the executor of a step that it was told to stop before", async () => {
    const bench = new Bench(planOf([actionStep("a")]));
    bench.isSlow = true;
    bench.begin({ isHeld: true });
    bench.know();
    await new Promise(setImmediate);
    bench.run.signal([cancel]);
    bench.settle();
    await bench.last("run.1 CANCELLED");
    expect(bench.trail().slice(1)).toEqual(["a.1 RUNNING", "cancel_requested", "a.1 CANCELLED", "run.1 CANCELLED"]);
    expect(bench.called).toEqual([]);
  });

  test("gives a parallel step one outcome, though two branches end at once", () => {
    const plan = planOf(parallelSteps("p", [conditionStep("x"), conditionStep("y")], { join: "ANY" }));
    const trail = new Bench(plan).begin().trail();
    expect(trail.slice(1)).toEqual([
      ...["p.1 RUNNING", "x.1 SUCCEEDED", "y.1 SUCCEEDED", "p.1 SUCCEEDED", "run.1 SUCCEEDED"],
    ]);
  });

  test("gives a delay one outcome, though the time of all is over in the same moment", async () => {
    const branches = [delayStep("d", { durationMs: 20 }), actionStep("x")];
    const bench = new Bench(planOf(parallelSteps("p", branches, { timeoutMs: 20 }))).begin();
    bench.now = 2_000;
    await bench.last("run.1 FAILED");
    expect(bench.trail().filter((word) => word.startsWith("d.1"))).toEqual(["d.1 WAITING", "d.1 SUCCEEDED"]);
  });

  test("gives a parallel step one outcome, though the decision that ends it comes together with a cancel", async () => {
    const plan = planOf(parallelSteps("p", [approvalStep("ask"), actionStep("x")], { join: "ANY" }));
    const bench = new Bench(plan).begin();
    const asked = bench.events.find((event) => event.type === "STEP_STATUS" && event.approval !== undefined);
    const { approval } = asked as Extract<RunEvent, { type: "STEP_STATUS" }>;
    const body = { approvalId: approval?.id ?? "", stepId: "ask", status: "APPROVED", by: "bob" } as const;
    bench.run.signal([{ id: "yes", type: "APPROVAL", body }, cancel]);
    await bench.last("run.1 CANCELLED");
    expect(bench.trail().filter((word) => word.startsWith("p.1"))).toEqual(["p.1 RUNNING", "p.1 SUCCEEDED"]);
  });

  test("does not run again what was interrupted where the run's time was over meanwhile", () => {
    const at = { at: 1_000, runAttempt: 1 };
    const bench = new Bench(planOf([actionStep("a")], { timeoutMs: 1_000 }), undefined, [
      { ...at, type: "RUN_STATUS", status: "RUNNING", sequence: 1 },
      { ...at, type: "STEP_STATUS", stepId: "a", attempt: 1, status: "RUNNING", sequence: 2 },
    ]);
    bench.now = 9_000;
    bench.run.resume([]);
    expect(bench.trail().slice(2)).toEqual(["run_timed_out", "a.1 CANCELLED", "run.1 TIMED_OUT"]);
    expect(bench.called).toEqual([]);
  });

  test("begins a try that became due while the inputs of the one before were worked out", async () => {
    const rest = { timeoutMs: 20, maxRetries: 1 };
    const plan = planOf(parallelSteps("p", [actionStep("x", { maxRetries: 1 })], rest));
    const bench = new Bench(plan, (call) => (call === 1 ? failed : succeeded)).begin();
    bench.isSlow = true;
    await expect.poll(() => bench.waiting).toBe(1);
    bench.now += 20;
    await bench.last("p.2 RUNNING");
    bench.know();
    await bench.last("run.1 SUCCEEDED");
    expect(bench.trail()).toContain("x.3 RUNNING");
  });

  describe("of a tenant that is disabled", () => {
    const notice = "tenant_disabled";

    test("begins no step more, and says so once, though a thousand branches were to begin", async () => {
      const branches = Array.from({ length: 1_000 }, (_, index) => actionStep(`x${index}`));
      const bench = new Bench(planOf(parallelSteps("p", branches)));
      bench.isSlow = true;
      bench.begin();
      await expect.poll(() => bench.waiting).toBe(1_000);
      bench.isDisabled = true;
      bench.know();
      await bench.last("run.1 FAILED");
      expect(bench.trail()).toEqual(["run.1 RUNNING", "p.1 RUNNING", notice, "p.1 CANCELLED", "run.1 FAILED"]);
      expect(bench.called).toEqual([]);
    });

    test("is not begun at all, by its first step or by one that was to be tried again", async () => {
      const fresh = new Bench(planOf([actionStep("a")]));
      fresh.isDisabled = true;
      await fresh.begin().last("run.1 FAILED");
      expect(fresh.trail()).toEqual(["run.1 RUNNING", notice, "run.1 FAILED"]);
      const retried = new Bench(planOf([actionStep("a", { maxRetries: 3, onFailure: "continue" })]), () => {
        retried.isDisabled = true;
        return failed;
      }).begin();
      await retried.last("run.1 FAILED");
      expect(retried.called).toEqual(["a"]);
      expect(retried.trail()).toContain(notice);
    });

    test("ends what is under way, once told so", async () => {
      const branches = [actionStep("x"), delayStep("d", { durationMs: 60_000 })];
      const bench = new Bench(planOf(parallelSteps("p", branches))).begin();
      await expect.poll(() => bench.called).toEqual(["x"]);
      bench.run.refuse();
      bench.isDisabled = true;
      bench.run.refuse();
      bench.run.refuse();
      await bench.last("run.1 FAILED");
      expect(bench.trail().filter((word) => word === notice)).toHaveLength(1);
      expect(bench.trail()).toEqual(expect.arrayContaining(["x.1 CANCELLED", "d.1 CANCELLED", "p.1 CANCELLED"]));
    });

    test("is found so while the inputs of a step are worked out", async () => {
      const bench = new Bench(planOf([actionStep("a")]));
      bench.isSlow = true;
      bench.begin();
      await expect.poll(() => bench.waiting).toBe(1);
      bench.isDisabled = true;
      bench.know();
      await bench.last("run.1 FAILED");
      expect(bench.called).toEqual([]);
    });

    test("is taken up to end: what was interrupted is not begun again", async () => {
      const at = { at: 1_000, runAttempt: 1 };
      const bench = new Bench(planOf([actionStep("a", { maxRetries: 3 })]), undefined, [
        { ...at, type: "RUN_STATUS", status: "RUNNING", sequence: 1 },
        { ...at, type: "STEP_STATUS", stepId: "a", attempt: 1, status: "RUNNING", sequence: 2 },
      ]);
      bench.isDisabled = true;
      bench.run.resume([]);
      await bench.last("run.1 FAILED");
      expect(bench.trail().slice(2)).toEqual([notice, "a.1 CANCELLED", "run.1 FAILED"]);
      expect(bench.called).toEqual([]);
    });
  });

  test("is certain of its tenant behind an approval, and asks nobody else", async () => {
    const fork = parallelSteps("p", [approvalStep("ask"), actionStep("x")], { join: "ANY", onSuccess: "a" });
    const bench = new Bench(planOf([...fork, actionStep("a")]), (call) => (call === 1 ? undefined : succeeded)).begin();
    await expect.poll(() => bench.called).toEqual(["x"]);
    expect(bench.readings).toBe(0);
    const asked = bench.events.find((event) => event.type === "STEP_STATUS" && event.approval !== undefined);
    const { approval } = asked as Extract<RunEvent, { type: "STEP_STATUS" }>;
    const body = { approvalId: approval?.id ?? "", stepId: "ask", status: "APPROVED", by: "bob" } as const;
    bench.run.signal([{ id: "yes", type: "APPROVAL", body }]);
    await expect.poll(() => bench.trail()).toContain("a.1 SUCCEEDED");
    expect([bench.called, bench.readings]).toEqual([["x", "a"], 1]);
    const plain = new Bench(planOf([actionStep("a", { onSuccess: "b" }), actionStep("b")]), () => succeeded).begin();
    await plain.last("run.1 SUCCEEDED");
    expect(plain.readings).toBe(0);
  });
});
