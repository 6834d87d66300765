import { describe, expect, test } from "vitest";
import { action, check, codes, condition, playbook } from "./playbook-text.ts";

describe("a circle of steps", () => {
  test("is spelled out, whichever way it leads", () => {
    const text = playbook(
      `${action("a", "on_success: end, on_failure: b")}\n${action("b", "on_success: c")}\n${condition("c", "on_true: a, on_false: end")}`,
    );
    const [issue, ...others] = check(text).issues;
    expect(others).toEqual([]);
    expect(issue?.message).toContain("a →(on_failure) b →(on_success) c →(on_true) a.");
    expect(issue?.path).toBe("$.steps[2].on_true");
  });

  test("is found once for each that there is, a step that leads to itself included", () => {
    const text = playbook(
      `${action("a", "on_failure: a")}\n${action("b", "on_failure: c")}\n${action("c", "on_failure: b")}`,
    );
    expect(codes(check(text).issues)).toEqual([
      "circular_reference $.steps[0].on_failure",
      "circular_reference $.steps[2].on_failure",
    ]);
  });

  test("is found where it needs an order that was left out", () => {
    const text = playbook(`${action("a")}\n${action("b", "on_success: a")}`);
    expect(check(text).issues[0]?.message).toContain("a →(on_success) b →(on_success) a");
  });

  test("of a thousand steps is found, and cut in the message", () => {
    const steps = Array.from({ length: 1_000 }, (_, i) => action(`s${i}`, i === 999 ? "on_failure: s0" : ""));
    // s0 is a fallback now, but nothing stands before it that could pass it over.
    const [issue] = check(playbook(steps.join("\n"))).issues;
    expect(issue?.code).toBe("circular_reference");
    expect(issue?.message.length).toBeLessThan(1_000);
  });
});

describe("a document that is right", () => {
  const warned = (text: string) => {
    const { issues, warnings } = check(text);
    expect(issues).toEqual([]);
    return codes(warnings);
  };

  test("is warned of a step that never runs", () => {
    expect(warned(playbook(`${action("a", "on_success: end")}\n${action("b")}`))).toEqual([
      "unreachable_step $.steps[1]",
    ]);
  });

  test("is warned where a fallback was passed over, and where a written next leads to one", () => {
    const tail = `${action("fix", "on_failure: escalate")}\n${action("escalate")}\n${action("report")}`;
    expect(warned(playbook(tail))).toEqual(["fallback_skipped $.steps[0]"]);
    expect(warned(playbook(tail.replace("on_failure", "on_success: next, on_failure")))).toEqual([
      "fallback_reached $.steps[0].on_success",
    ]);
  });

  test("is warned where one branch of a condition goes on into the other", () => {
    const steps = `${condition("c", "on_true: yes-1, on_false: no-1")}\n${action("yes-1")}\n${action("yes-2")}\n${action("no-1")}`;
    expect(warned(playbook(steps))).toEqual(["branch_falls_through $.steps[2]"]);
    expect(warned(playbook(steps.replace("- {id: yes-2,", "- {id: yes-2, on_success: end,")))).toEqual([]);
    expect(warned(playbook(steps.replace("- {id: yes-2,", "- {id: yes-2, on_success: no-1,")))).toEqual([]);
  });

  test("is warned of failures that nobody would see", () => {
    expect(warned(playbook(action("a", "on_failure: continue")))).toEqual(["failure_hidden $.steps[0].on_failure"]);
    expect(warned(playbook(action("a"), "on_failure: continue\n"))).toEqual(["failure_hidden $.on_failure"]);
  });

  test("is warned of what has no effect", () => {
    const head = "on_failure: retry\n";
    expect(warned(playbook(action("a", "retry_delay: 1s"), head))).toEqual([
      "no_effect $.on_failure",
      "no_effect $.steps[0].retry_delay",
    ]);
    expect(warned(playbook(action("a"), "max_retries: 2\n"))).toEqual(["no_effect $.max_retries"]);
    expect(warned(playbook(condition("a", "on_success: end")))).toEqual(["no_effect $.steps[0].on_success"]);
  });

  test("is warned of paths that will find nothing", () => {
    const steps = `- id: first.one
  name: a
  type: action
  action_ref: block-ip
  parameters: {a: "{{ steps.notify-team.output.ts }}", b: "{{ fnding.ip }}", c: "{{ parameters.ip }}", d: "{{ env.x }} {{ now }}"}
- id: notify-team
  name: b
  type: action
  action_ref: block-ip
  parameters:
    a: "{{ steps.notify-tem.output }}"
    b: "{{ steps.first.one.output }}"
    c: '{{ steps["first.one"].output.x[0] }}'
    d: '{{ steps["first.one"].result }}'
- id: check
  name: c
  type: condition
  expression: "{{ steps.notify-team.output.message_ts }} == 1 or {{ steps.check.status }} == 'failed'"`;
    const { issues, warnings } = check(playbook(steps));
    expect(issues).toEqual([]);
    expect(codes(warnings)).toEqual([
      "step_not_earlier $.steps[0].parameters.a",
      "unknown_path $.steps[0].parameters.b",
      "unknown_path $.steps[0].parameters.c",
      "unknown_path $.steps[1].parameters.a",
      "unknown_path $.steps[1].parameters.b",
      "unknown_path $.steps[1].parameters.d",
      "step_not_earlier $.steps[2].expression",
    ]);
    expect(warnings[4]?.message).toContain('steps["first.one"]');
  });
});
