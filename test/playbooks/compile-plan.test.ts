import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PlanStep } from "../../src/playbooks/plan.ts";
import { action, check, condition, graph, plan, playbook, vendorExample } from "./playbook-text.ts";

function step(text: string, id: string) {
  const found = plan(text).steps.get(id);
  if (!found) throw new Error(`no step ${id}`);
  return found;
}

describe("the next step", () => {
  test("never is a fallback in the vendor's complete example after a success", () => {
    const { steps, first } = plan(vendorExample);
    expect(first).toBe("check-asset-criticality");
    for (const { onSuccess } of steps.values()) expect(onSuccess).not.toBe("escalate");
    expect(steps.get("remediate")).toMatchObject({ onSuccess: null, onFailure: { step: "escalate" } });
  });

  test("left out, is the next that stands behind no failure; written, it is the next in the list", () => {
    const steps = `${action("a", "on_failure: f1")}\n${action("f1", "on_failure: f2")}\n${action("f2")}\n${action("b")}`;
    expect(step(playbook(steps), "a").onSuccess).toBe("b");
    expect(step(playbook(steps), "f1").onSuccess).toBe("b");
    expect(step(playbook(steps.replace("on_failure: f1", "on_failure: f1, on_success: next")), "a").onSuccess).toBe(
      "f1",
    );
  });

  test("is the end of the run after the last, and where only fallbacks follow", () => {
    const text = playbook(`${action("a", "on_failure: f")}\n${action("f")}`);
    expect([step(text, "a").onSuccess, step(text, "f").onSuccess]).toEqual([null, null]);
    expect(step(playbook(action("a", "on_success: next")), "a").onSuccess).toBeNull();
    expect(
      step(playbook(`${action("a", "on_success: end")}\n${action("b", "on_success: end")}`), "a").onSuccess,
    ).toBeNull();
  });

  test("of a condition follows the same rule on both sides", () => {
    const steps = `${condition("c", "on_false: end")}\n${action("f")}\n${action("b", "on_failure: f")}`;
    // f stands before b, so b's failure leads back to it; c's true branch passes it over all the same.
    expect(step(playbook(steps.replace("- {id: f,", "- {id: f, on_success: end,")), "c")).toMatchObject({
      onTrue: "b",
      onFalse: null,
    });
    expect(step(playbook(`${condition("c", "on_true: next")}\n${action("b")}`), "c")).toMatchObject({
      onTrue: "b",
      onFalse: "b",
    });
  });
});

describe("a failure", () => {
  const rule = (more: string, head = "") => {
    const { maxRetries, onFailure } = step(playbook(action("a", more), head), "a");
    return [maxRetries, onFailure];
  };

  test("follows the playbook's strategy unless the step says otherwise", () => {
    expect(rule("")).toEqual([0, "abort"]);
    expect(rule("", "on_failure: continue\n")).toEqual([0, "continue"]);
    expect(rule("on_failure: abort", "on_failure: continue\n")).toEqual([0, "abort"]);
    expect(rule("max_retries: 4", "on_failure: retry\nmax_retries: 2\n")).toEqual([4, "retry"]);
  });

  test("with retry is tried once more, or as often as written, and then follows the playbook's strategy", () => {
    expect(rule("on_failure: retry")).toEqual([1, "abort"]);
    expect(rule("on_failure: retry, max_retries: 3", "on_failure: continue\n")).toEqual([3, "continue"]);
    expect(rule("on_failure: retry", "on_failure: retry\nmax_retries: 2\n")).toEqual([1, "retry"]);
  });

  test("of a condition under continue goes on as its on_success says, else as if it were false", () => {
    const steps = (more: string) =>
      playbook(
        `${condition("c", `on_true: a, on_false: b, on_failure: continue${more}`)}\n${action("a")}\n${action("b")}`,
      );
    expect(step(steps(""), "c").onSuccess).toBe("b");
    expect(step(steps(", on_success: end"), "c").onSuccess).toBeNull();
  });
});

describe("a plan", () => {
  test("holds every number with its default applied", () => {
    const text = playbook(
      action("a", 'timeout: 90s, retry_delay: 1m30s, on_interrupt: fail, parameters: {ip: "{{ finding.ip }}"}'),
      "timeout_minutes: 120\nmax_retries: 2\non_failure: retry\n",
    );
    const { steps, ...head } = plan(text);
    expect(head).toEqual({ key: "pb-test", version: "1.0.0", first: "a", maxRetries: 2, timeoutMs: 7_200_000 });
    expect(steps.get("a")).toEqual({
      id: "a",
      name: "a",
      type: "ACTION",
      onSuccess: null,
      onFailure: "retry",
      maxRetries: 0,
      retryDelayMs: 90_000,
      timeoutMs: 90_000,
      onInterrupt: "fail",
      actionRef: "block-ip",
      actionId: "a",
      parameters: { ip: "{{ finding.ip }}" },
    });
    expect(plan(playbook(action("a")))).not.toHaveProperty("timeoutMs");
  });
});

/** Everywhere the engine may go from a step. */
function waysOf(step: PlanStep): (string | null)[] {
  const own = step.type === "CONDITION" ? [step.onTrue, step.onFalse] : [];
  return [...own, step.onSuccess, typeof step.onFailure === "object" ? step.onFailure.step : null];
}

describe("any document that has no issues", () => {
  const ids = ["s0", "s1", "s2", "s3", "s4"];
  const forward = fc.constantFrom(undefined, undefined, "next", "end", "end", ...ids);
  const backward = fc.constantFrom(undefined, undefined, "abort", "continue", "retry", ...ids);
  const step = fc.record({ isCondition: fc.boolean(), one: forward, other: forward, failure: backward });

  test("compiles, and leads to its end on every way", () => {
    let compiledCount = 0;
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 5, maxLength: 5 }),
        fc.constantFrom("abort", "continue", "retry"),
        (made, strategy) => {
          const field = (name: string, value: string | undefined) => (value === undefined ? [] : [`${name}: ${value}`]);
          const lines = made.map(({ isCondition, one, other, failure }, index) =>
            isCondition
              ? condition(
                  `s${index}`,
                  [...field("on_true", one), ...field("on_false", other), ...field("on_failure", failure)].join(", "),
                )
              : action(`s${index}`, [...field("on_success", one), ...field("on_failure", failure)].join(", ")),
          );
          const text = playbook(lines.join("\n"), `on_failure: ${strategy}\n`);
          if (check(text).issues.length > 0) return;
          compiledCount += 1;
          const { steps, first } = plan(text);
          let frontier = new Set([first]);
          for (let round = 0; round <= steps.size && frontier.size > 0; round++) {
            frontier = new Set([...frontier].flatMap((id) => waysOf(steps.get(id)!)).filter((id) => id !== null));
          }
          expect(frontier.size).toBe(0);
        },
      ),
      { numRuns: 1_000 },
    );
    expect(compiledCount).toBeGreaterThan(20);
  });
});

describe("a graph", () => {
  test("shows every way out of every step, and which of them nobody wrote", () => {
    expect(graph(playbook(`${action("a", "on_failure: continue")}\n${action("b", "on_success: end")}`))).toEqual([
      "a -SUCCESS?-> b",
      "a -FAILURE-> b",
      "b -SUCCESS-> end",
      "b -FAILURE?-> end",
    ]);
  });
});
