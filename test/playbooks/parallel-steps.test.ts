import { describe, expect, test } from "vitest";
import { action, check, codes, condition, graph, plan, playbook } from "./playbook-text.ts";

/** A parallel step `p` with these branches, each in one line. */
function parallel(branches: readonly string[], more = ""): string {
  return `- {id: p, name: p, type: parallel, branches: [${branches.join(", ")}]${more ? `, ${more}` : ""}}`;
}

const one = "{id: one, action_ref: block-ip}";
const two = "{id: two, action_ref: block-ip}";

/** Message of the problem at a path of the parallel step's first branch. */
function toldOf(branch: string, field: string): string | undefined {
  const { issues } = check(playbook(`${parallel([branch])}\n${action("a")}`));
  expect(codes(issues).map((code) => code.split(" ")[1])).toEqual([`$.steps[0].branches[0].${field}`]);
  return `${issues[0]?.code}: ${issues[0]?.message}`;
}

describe("the branches of a parallel step", () => {
  test("are steps of the plan behind it, each with its defaults applied", () => {
    const branches = [
      '{id: one, name: One, action_ref: block-ip, parameters: {ip: "{{ finding.ip }}"}, max_retries: 2, retry_delay: 5s, timeout: 1m, on_interrupt: fail, on_failure: continue}',
      "{id: two, type: action, action_ref: block-ip, on_failure: retry}",
      "{id: three, type: delay, duration: 1h30m}",
      "{id: four, type: approval, approvers: [{role: lead}, {user: alice}], message: Well?, timeout: 4h}",
    ];
    const { steps, first } = plan(playbook(`${action("a")}\n${parallel(branches, "join: any, timeout: 6h")}`));
    expect(first).toBe("a");
    expect([...steps.keys()]).toEqual(["a", "p", "one", "two", "three", "four"]);
    const defaults = { onSuccess: null, onFailure: "abort", maxRetries: 0, retryDelayMs: 0 };
    const branch = { ...defaults, parallel: "p" };
    const pinned = { actionRef: "block-ip", actionId: "a" };
    expect([...steps.values()].slice(1)).toEqual([
      {
        ...defaults,
        id: "p",
        name: "p",
        type: "PARALLEL",
        branches: ["one", "two", "three", "four"],
        join: "ANY",
        timeoutMs: 21_600_000,
      },
      {
        ...branch,
        ...pinned,
        id: "one",
        name: "One",
        type: "ACTION",
        parameters: { ip: "{{ finding.ip }}" },
        onFailure: "continue",
        maxRetries: 2,
        retryDelayMs: 5_000,
        timeoutMs: 60_000,
        onInterrupt: "fail",
      },
      { ...branch, ...pinned, id: "two", name: "two", type: "ACTION", parameters: {}, maxRetries: 1 },
      { ...branch, id: "three", name: "three", type: "DELAY", durationMs: 5_400_000 },
      {
        ...branch,
        id: "four",
        name: "four",
        type: "APPROVAL",
        approvers: [{ role: "lead" }, { user: "alice" }],
        message: "Well?",
        timeoutMs: 14_400_000,
        onTimeout: "abort",
      },
    ]);
  });

  test("keep their own rule whatever the playbook's strategy is, which is the parallel step's", () => {
    for (const strategy of ["abort", "continue", "retry"] as const) {
      const text = playbook(
        parallel([one, two.replace("}", ", on_failure: retry, max_retries: 3}")]),
        `on_failure: ${strategy}\n`,
      );
      const { steps } = plan(text);
      expect(steps.get("p")).toMatchObject({ onFailure: strategy, join: "ALL" });
      expect(steps.get("one")).toMatchObject({ onFailure: "abort", maxRetries: 0 });
      expect(steps.get("two")).toMatchObject({ onFailure: "abort", maxRetries: 3 });
    }
  });

  test("lead back to it in the graph, and it leads on", () => {
    const text = playbook(
      `${parallel([one, "{id: two, type: delay, duration: 5m}"], "on_failure: f")}\n${action("f")}\n${action("b", "on_success: end")}`,
    );
    expect(graph(text)).toEqual([
      "p -BRANCH-> one",
      "one -JOIN-> p",
      "p -BRANCH-> two",
      "two -JOIN-> p",
      "p -SUCCESS?-> b",
      "p -FAILURE-> f",
      "f -SUCCESS?-> b",
      "f -FAILURE?-> end",
      "b -SUCCESS-> end",
      "b -FAILURE?-> end",
    ]);
  });

  test("can't say where to go on, and are told who can", () => {
    expect(toldOf("{id: x, action_ref: y, on_success: a}", "on_success")).toMatch(
      /^not_in_branch: .*on_success of the parallel step/,
    );
    expect(toldOf("{id: x, action_ref: y, on_failure: a}", "on_failure")).toMatch(
      /^not_in_branch: "a" .*abort, continue, retry.*on_failure of the parallel step/,
    );
    expect(toldOf("{id: x, action_ref: y, on_failure: abrot}", "on_failure")).toContain('mean "abort"');
    const approval = "{id: x, type: approval, approvers: [{role: r}], timeout: 1h, on_timeout: a}";
    expect(toldOf(approval, "on_timeout")).toMatch(/^not_in_branch: .*on_failure of the parallel step/);
    expect(check(playbook(parallel([approval.replace("on_timeout: a", "on_timeout: abort")]))).issues).toEqual([]);
  });

  test("are no conditions and no parallel steps", () => {
    expect(toldOf('{id: x, type: condition, expression: "true"}', "type")).toMatch(/^not_in_branch: "condition"/);
    expect(toldOf(`{id: x, type: parallel, branches: [${one}]}`, "type")).toMatch(/^not_in_branch: "parallel"/);
    expect(toldOf("{id: x, type: actoin, action_ref: y}", "type")).toContain('mean "action"');
  });

  test("have the fields of their type, and are told whose the others are", () => {
    expect(toldOf("{id: x}", "action_ref")).toBe("required: action_ref is missing.");
    expect(toldOf("{id: x, type: delay}", "duration")).toBe("required: duration is missing.");
    expect(toldOf("{id: x, type: approval, timeout: 1h}", "approvers")).toBe("required: approvers is missing.");
    expect(toldOf("{id: x, action_ref: y, duration: 5m}", "duration")).toMatch(
      /belongs to delay steps.*no type.*type: delay/,
    );
    expect(toldOf("{id: x, type: delay, duration: 5m, message: m}", "message")).toMatch(
      /belongs to approval steps.*type delay/,
    );
    expect(toldOf("{id: x, action_ref: y, join: any}", "join")).toMatch(
      /belongs to parallel steps.*Branches are action, /,
    );
    expect(toldOf("{id: x, action_ref: y, paramters: {}}", "paramters")).toContain('mean "parameters"');
    expect(toldOf("{id: end, action_ref: y}", "id")).toMatch(/^reserved_word/);
  });

  test("are checked as steps are: durations, templates, and places behind what is no branch at all", () => {
    const text = playbook(`- id: p
  name: p
  type: parallel
  join: most
  branches:
    - nonsense
    - {id: a, action_ref: x, timeout: 0s, retry_delay: 5x, parameters: {a: ["{{ nope"]}}
    - {id: b, type: delay, duration: 1w}
    - {id: c, type: approval, approvers: [], timeout: 1h, message: "{{ finding.id }"}
    - {id: d, type: approval, approvers: [{role: r, user: u}, {}, {group: g}], timeout: 1h}`);
    const { issues } = check(text);
    expect(codes(issues)).toEqual([
      "not_allowed $.steps[0].join",
      "wrong_type $.steps[0].branches[0]",
      "out_of_bounds $.steps[0].branches[1].timeout",
      "wrong_format $.steps[0].branches[1].retry_delay",
      "template_syntax $.steps[0].branches[1].parameters.a[0]",
      "wrong_format $.steps[0].branches[2].duration",
      "out_of_bounds $.steps[0].branches[3].approvers",
      "template_syntax $.steps[0].branches[3].message",
      "out_of_bounds $.steps[0].branches[4].approvers[0]",
      "out_of_bounds $.steps[0].branches[4].approvers[1]",
      "unknown_field $.steps[0].branches[4].approvers[2].group",
    ]);
    expect(issues.find(({ path }) => path.endsWith("approvers[0]"))?.message).toContain("One role or one user");
  });

  test("count as steps", () => {
    const branches = Array.from({ length: 999 }, (_, i) => `{id: b${i}, action_ref: x}`);
    expect(check(playbook(parallel(branches))).issues).toEqual([]);
    expect(codes(check(playbook(`${parallel(branches)}\n${action("a")}`)).issues)).toEqual(["out_of_bounds $.steps"]);
  });
});

describe("what refers to a branch", () => {
  test("goes to its parallel step instead", () => {
    const { issues } = check(playbook(`${action("a", "on_success: one")}\n${parallel([one])}`));
    expect(codes(issues)).toEqual(["dangling_reference $.steps[0].on_success"]);
    expect(issues[0]?.message).toContain('name "p"');
  });

  test("finds its output behind the parallel step, and nowhere before that", () => {
    const using = (id: string, ...used: string[]) =>
      `{id: ${id}, action_ref: x, parameters: {${used.map((path, at) => `p${at}: "{{ steps.${path} }}"`).join(", ")}}}`;
    const steps = `${action("a", 'parameters: {x: "{{ steps.one.output.x }}"}')}
${parallel([using("one", "a.output", "two.status", "one.status", "p.status"), using("two", "on.output")])}
${action("b", 'parameters: {x: "{{ steps.one.output.x }}", y: "{{ steps.two.error.code }}", z: "{{ steps.p.output.branches.one }}"}')}`;
    const { issues, warnings } = check(playbook(steps));
    expect(issues).toEqual([]);
    expect(codes(warnings)).toEqual([
      "step_not_earlier $.steps[0].parameters.x",
      "step_not_earlier $.steps[1].branches[0].parameters.p1",
      "step_not_earlier $.steps[1].branches[0].parameters.p2",
      "step_not_earlier $.steps[1].branches[0].parameters.p3",
      "unknown_path $.steps[1].branches[1].parameters.p0",
    ]);
    expect(warnings[1]?.message).toContain("at the same time");
    expect(warnings[2]?.message).toContain("never comes before");
    expect(warnings[4]?.message).toContain('mean "one"');
  });
});

describe("a parallel step that is right", () => {
  const warned = (text: string) => {
    const { issues, warnings } = check(text);
    expect(issues).toEqual([]);
    return codes(warnings);
  };

  test("is warned of failures that nobody would see, in branches too", () => {
    expect(warned(playbook(parallel([one.replace("}", ", on_failure: continue}")])))).toEqual([
      "failure_hidden $.steps[0].branches[0].on_failure",
    ]);
  });

  test("is a step among others for what never runs, what was passed over and what falls through", () => {
    const steps = `${condition("c", "on_true: p, on_false: b")}\n${parallel([one, two], "on_failure: f")}\n${action("f")}\n${action("b")}\n${action("lost")}`;
    expect(warned(playbook(steps.replace("- {id: b,", "- {id: b, on_success: end,")))).toEqual([
      "fallback_skipped $.steps[1]",
      "branch_falls_through $.steps[1]",
      "branch_falls_through $.steps[2]",
      "unreachable_step $.steps[4]",
    ]);
  });

  test("is warned of what has no effect in a branch", () => {
    const branches = [
      one.replace("}", ", retry_delay: 5s}"),
      "{id: two, type: delay, duration: 5s, on_interrupt: fail}",
    ];
    expect(warned(playbook(parallel(branches, "on_interrupt: retry")))).toEqual([
      "no_effect $.steps[0].branches[0].retry_delay",
      "no_effect $.steps[0].branches[1].on_interrupt",
      "no_effect $.steps[0].on_interrupt",
    ]);
  });
});
