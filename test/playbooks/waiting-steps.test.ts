import { describe, expect, test } from "vitest";
import { action, check, codes, condition, graph, plan, playbook } from "./playbook-text.ts";

function delay(more: string): string {
  return `- {id: d, name: d, type: delay, ${more}}`;
}

function approval(more = "timeout: 4h"): string {
  return `- {id: ask, name: ask, type: approval, approvers: [{role: lead}]${more ? `, ${more}` : ""}}`;
}

function warned(text: string): string[] {
  const { issues, warnings } = check(text);
  expect(issues).toEqual([]);
  return codes(warnings);
}

function step(text: string, id: string) {
  return plan(text).steps.get(id);
}

describe("a delay", () => {
  test("has its duration in the plan", () => {
    expect(step(playbook(`${delay("duration: 400d12h")}\n${action("a")}`), "d")).toEqual({
      id: "d",
      name: "d",
      type: "DELAY",
      durationMs: 400.5 * 86_400_000,
      onSuccess: "a",
      onFailure: "abort",
      maxRetries: 0,
      retryDelayMs: 0,
    });
  });

  test("ends before its timeout, which is longer than it", () => {
    for (const timeout of ["5m", "4m59s"]) {
      const { issues } = check(playbook(delay(`duration: 5m, timeout: ${timeout}`)));
      expect(codes(issues)).toEqual(["timeout_too_short $.steps[0].timeout"]);
    }
    expect(warned(playbook(delay("duration: 5m, timeout: 6m")))).toEqual(["no_effect $.steps[0].timeout"]);
  });

  test("is warned that it waits for nothing, or longer than what it stands in", () => {
    expect(warned(playbook(delay("duration: 0s")))).toEqual(["no_effect $.steps[0].duration"]);
    expect(warned(playbook(delay("duration: 1h"), "timeout_minutes: 60\n"))).toEqual([
      "outlasts_timeout $.steps[0].duration",
    ]);
    expect(warned(playbook(delay("duration: 59m"), "timeout_minutes: 60\n"))).toEqual([]);
    const within = "- {id: p, name: p, type: parallel, timeout: 5m, branches: [{id: d, type: delay, duration: 5m}]}";
    expect(warned(playbook(within))).toEqual(["outlasts_timeout $.steps[0].branches[0].duration"]);
    expect(warned(playbook(within.replace("timeout: 5m", "timeout: 6m"), "timeout_minutes: 5\n"))).toEqual([
      "outlasts_timeout $.steps[0].branches[0].duration",
    ]);
  });

  test("is warned of rules for a failure that it never has", () => {
    expect(
      warned(playbook(`${delay("duration: 5m, on_failure: a, max_retries: 1, retry_delay: 1s")}\n${action("a")}`)),
    ).toEqual(
      expect.arrayContaining([
        "no_effect $.steps[0].on_failure",
        "no_effect $.steps[0].max_retries",
        "no_effect $.steps[0].retry_delay",
      ]),
    );
  });

  test("has no output", () => {
    const use = action("a", 'parameters: {x: "{{ steps.d.output }}", y: "{{ steps.d.status }}"}');
    expect(warned(playbook(`${delay("duration: 5m")}\n${use}`))).toEqual(["unknown_path $.steps[1].parameters.x"]);
  });
});

describe("an approval", () => {
  const tail = `${action("a")}\n${action("b")}`;

  test("has who is asked, what, for how long, and where each answer leads", () => {
    const steps = `- id: ask
  name: Ask
  type: approval
  approvers: [{role: lead}, {user: alice}]
  message: "Patch {{ finding.asset.name }}?"
  timeout: 2h
  on_success: a
  on_failure: b
  on_timeout: b`;
    expect(step(playbook(`${steps}\n${tail}`), "ask")).toEqual({
      id: "ask",
      name: "Ask",
      type: "APPROVAL",
      approvers: [{ role: "lead" }, { user: "alice" }],
      message: "Patch {{ finding.asset.name }}?",
      timeoutMs: 7_200_000,
      onSuccess: "a",
      onFailure: { step: "b" },
      onTimeout: { step: "b" },
      maxRetries: 0,
      retryDelayMs: 0,
    });
  });

  test('never goes on after a "no", whatever is written and whatever the strategy is', () => {
    for (const strategy of ["abort", "continue", "retry"]) {
      for (const written of ["", "on_failure: continue", "on_failure: retry", "on_failure: abort, on_timeout: abort"]) {
        const head = `on_failure: ${strategy}\nmax_retries: 3\n`;
        const text = playbook(
          `${approval(`timeout: 4h, max_retries: 2${written ? `, ${written}` : ""}`)}\n${tail}`,
          head,
        );
        expect(step(text, "ask")).toMatchObject({
          onFailure: "abort",
          onTimeout: "abort",
          maxRetries: 0,
          onSuccess: "a",
        });
        const edges = graph(text).filter((edge) => edge.startsWith("ask "));
        expect(edges.map((edge) => edge.replace("?", ""))).toEqual([
          "ask -SUCCESS-> a",
          "ask -FAILURE-> end",
          "ask -TIMEOUT-> end",
        ]);
      }
    }
  });

  test("is all that a parallel step of nothing but approvals does, so the same holds for that", () => {
    const branches = ["one", "two"].map((id) => `{id: ${id}, type: approval, approvers: [{role: ${id}}], timeout: 4h}`);
    const both = (more = "") => `- {id: both, name: both, type: parallel, branches: [${branches}]${more}}\n${tail}`;
    const head = "on_failure: continue\n";
    expect(step(playbook(both(), head), "both")).toMatchObject({ onFailure: "abort", maxRetries: 0, onSuccess: "a" });
    expect(graph(playbook(both(), head))).toContain("both -FAILURE?-> end");
    const asked = playbook(both(", on_failure: b, max_retries: 2"), head);
    expect(step(asked, "both")).toMatchObject({ onFailure: { step: "b" }, maxRetries: 0 });
    expect(warned(asked)).toContain("no_effect $.steps[0].max_retries");
    expect(warned(playbook(both(", on_failure: continue")))).toEqual(["no_effect $.steps[0].on_failure"]);
    const mixed = both().replace("]}", ", {id: c, action_ref: x}]}");
    expect(step(playbook(mixed, head), "both")).toMatchObject({ onFailure: "continue" });
  });

  test("shows in the graph which of its ways nobody wrote", () => {
    expect(graph(playbook(`${approval("timeout: 4h, on_timeout: b, on_success: a")}\n${tail}`)).slice(0, 3)).toEqual([
      "ask -SUCCESS-> a",
      "ask -FAILURE?-> end",
      "ask -TIMEOUT-> b",
    ]);
  });

  test('is warned that a "no" is neither passed over nor tried again', () => {
    const effect = (more: string) => warned(playbook(`${approval(`timeout: 4h, ${more}`)}\n${tail}`));
    expect(effect("on_failure: continue")).toEqual(["no_effect $.steps[0].on_failure"]);
    expect(effect("on_failure: retry")).toEqual(["no_effect $.steps[0].on_failure"]);
    expect(effect("max_retries: 1, retry_delay: 1s")).toEqual([
      "no_effect $.steps[0].max_retries",
      "no_effect $.steps[0].retry_delay",
    ]);
    expect(effect("max_retries: 0, on_failure: abort")).toEqual([]);
    const branch = `- {id: p, name: p, type: parallel, branches: [${approval("timeout: 4h, on_failure: continue").slice(2)}]}`;
    expect(warned(playbook(branch))).toEqual(["no_effect $.steps[0].branches[0].on_failure"]);
  });

  test("has an end of the time to decide, its own or that of what it stands in", () => {
    expect(warned(playbook(approval("")))).toEqual(["approval_without_timeout $.steps[0].timeout"]);
    expect(warned(playbook(approval(""), "timeout_minutes: 60\n"))).toEqual([]);
    expect(warned(playbook(approval("timeout: 59m"), "timeout_minutes: 60\n"))).toEqual([]);
    expect(warned(playbook(approval("timeout: 1h"), "timeout_minutes: 60\n"))).toEqual([
      "outlasts_timeout $.steps[0].timeout",
    ]);
    const branch = `- {id: p, name: p, type: parallel, timeout: 1h, branches: [${approval("").slice(2)}]}`;
    expect(warned(playbook(branch))).toEqual([]);
    expect(warned(playbook(branch.replace("timeout: 1h, ", "")))).toEqual([
      "approval_without_timeout $.steps[0].branches[0].timeout",
    ]);
  });

  test("asks a role or a name as it is written, and a message with templates", () => {
    const steps = approval('timeout: 4h, message: "{{ finding.title }}"').replace("lead", '"{{ finding.owner }}"');
    expect(warned(playbook(steps))).toEqual(["not_a_template $.steps[0].approvers[0].role"]);
    const broken = approval('timeout: 4h, message: "{{ finding. }}"');
    expect(codes(check(playbook(broken)).issues)).toEqual(["template_syntax $.steps[0].message"]);
    const late = approval('timeout: 4h, message: "{{ steps.a.output }} {{ env.team }} {{ nothing.x }}"');
    expect(warned(playbook(`${late}\n${action("a")}`))).toEqual([
      "step_not_earlier $.steps[0].message",
      "unknown_path $.steps[0].message",
    ]);
  });

  test("leaves who decided what, and nothing else", () => {
    const use = (path: string) => action("a", `parameters: {x: "{{ steps.ask.${path} }}"}`);
    for (const path of ["output", "output.decision", "output.decidedBy", "output.comment", "status", "error.code"])
      expect(warned(playbook(`${approval()}\n${use(path)}`))).toEqual([]);
    const { warnings } = check(playbook(`${approval()}\n${use("output.decided_by")}`));
    expect(codes(warnings)).toEqual(["unknown_path $.steps[1].parameters.x"]);
    expect(warnings[0]?.message).toContain('mean "decidedBy"');
  });

  test("alone has a way for the time that is over", () => {
    const { issues } = check(playbook(`${action("x", "on_timeout: a")}\n${tail}`));
    expect(codes(issues)).toEqual(["unknown_field $.steps[0].on_timeout"]);
    expect(issues[0]?.message).toContain("belongs to approval steps");
    const wrong = check(playbook(`${approval("timeout: 4h, on_timeout: continue")}\n${tail}`));
    expect(codes(wrong.issues)).toEqual(["wrong_word $.steps[0].on_timeout"]);
  });
});

describe("a condition", () => {
  test("is warned of a time that it never takes", () => {
    expect(warned(playbook(condition("c", "timeout: 5s, on_interrupt: fail")))).toEqual([
      "no_effect $.steps[0].timeout",
      "no_effect $.steps[0].on_interrupt",
    ]);
  });
});
