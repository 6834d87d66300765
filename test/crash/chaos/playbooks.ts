import type { Manner, Vendor } from "./vendor.ts";

type Fields = Readonly<Record<string, unknown>>;

/** A playbook of the chaos, and how its runs may end where nobody cancels them. */
export interface ChaosPlaybook {
  readonly key: string;
  readonly ends: readonly string[];
  /** Started by callers; else only by what triggers it. */
  readonly isStarted: boolean;
  readonly document: Fields;
}

/** The approver's role; approvals with this message are left to whatever else ends them. */
export const approverRole = "chaos_lead";
export const leaveAlone = "Nobody decides this.";

const script = `exec 3<>/dev/tcp/127.0.0.1/PORT || exit 9
printf '%s %s %s\\n' "$IDEMPOTENCY_KEY" "$1" "$PWD" >&3
read -r word <&3 || exit 8
echo "told $word" >&2
printf '{"word":"%s"}' "$word"
[ "$word" = fine ]
`;

/** Definitions with their files: the same thing by a script and by a request, and both as something that is not to be done twice. */
export function chaosActions({ httpPort, scriptPort }: Pick<Vendor, "httpPort" | "scriptPort">) {
  const common = {
    version: "1.0.0",
    type: "enrichment",
    description: "Calls the vendor of the chaos.",
    parameters: [{ name: "manner", type: "string", required: true }],
  };
  const local = { ...common, executor: { type: "local", target: "hold.sh" } };
  const headers = { "X-Manner": "{{ parameters.manner }}" };
  const remote = { ...common, executor: { type: "remote", target: `http://127.0.0.1:${httpPort}/call`, headers } };
  const files = [{ path: "hold.sh", content: script.replace("PORT", String(scriptPort)), executable: true }];
  return [
    { definition: { ...local, name: "chaos-script" }, files },
    { definition: { ...remote, name: "chaos-call" } },
    { definition: { ...local, name: "chaos-careful-script", on_interrupt: "fail" }, files },
    { definition: { ...remote, name: "chaos-careful-call", on_interrupt: "fail" } },
  ];
}

const call = (id: string, manner: Manner = "steady", rest: Fields = {}) => act(id, "chaos-call", manner, rest);
const run = (id: string, manner: Manner = "steady", rest: Fields = {}) => act(id, "chaos-script", manner, rest);
const delay = (id: string, duration: string) => ({ id, name: id, type: "delay", duration });
const retries = { max_retries: 4, retry_delay: "100ms" };

function act(id: string, action_ref: string, manner: Manner, rest: Fields): Fields {
  return { id, name: id, type: "action", action_ref, parameters: { manner }, ...rest };
}

function approval(id: string, rest: Fields = {}): Fields {
  return { id, name: id, type: "approval", approvers: [{ role: approverRole }], ...rest };
}

function parallel(id: string, join: "all" | "any", branches: readonly Fields[], rest: Fields = {}): Fields {
  return { id, name: id, type: "parallel", join, branches, ...rest };
}

interface Rest extends Fields {
  readonly trigger?: Fields;
  readonly isStarted?: boolean;
}

function playbook(key: string, ends: readonly string[], steps: readonly Fields[], rest: Rest = {}): ChaosPlaybook {
  const { trigger = { event: "manual" }, isStarted = trigger["event"] === "manual", ...more } = rest;
  return { key, ends, isStarted, document: { id: key, name: key, version: "1.0.0", trigger, steps, ...more } };
}

const succeeds = ["SUCCEEDED"];
const mayFail = ["SUCCEEDED", "FAILED"];
const condition = { id: "ask", name: "ask", type: "condition", expression: "{{ steps.first.output.word }} == 'fine'" };

/** Started on purpose, on one node. Runs of the first two end when they are cancelled. */
export const held = playbook("held", [], [call("first", "endless")], { isStarted: false });
export const heldScript = playbook("held-script", [], [run("first", "endless")], { isStarted: false });
export const overslept = playbook("overslept", ["SUCCEEDED"], [call("first", "later"), run("second")], {
  isStarted: false,
});

/** The whole language, in small: what waits, waits for 100 ms to 2 s, unless it is there to be ended otherwise. */
export const chaosPlaybooks: readonly ChaosPlaybook[] = [
  playbook("chain", succeeds, [run("first"), condition, call("second"), call("third", "slow")]),
  playbook("tries", succeeds, [call("first", "flaky", retries), run("second", "flaky", retries)]),
  playbook("luck", mayFail, [call("first", "shaky", { on_failure: "continue" }), run("second", "shaky")]),
  playbook("rounds", mayFail, [run("first"), call("second", "shaky")], { on_failure: "retry", max_retries: 2 }),
  playbook("fallback", succeeds, [
    call("first", "shaky", { on_failure: "rescue", on_success: "end" }),
    run("rescue", "steady"),
  ]),
  playbook("fan-all", succeeds, [
    parallel("fan", "all", [call("a", "slow"), run("b"), delay("c", "700ms"), call("d", "flaky", retries)]),
    call("after"),
  ]),
  playbook("fan-any", succeeds, [
    parallel("fan", "any", [call("a", "slow"), run("b", "slow"), delay("c", "400ms")]),
    call("after"),
  ]),
  playbook("fan-late", ["FAILED"], [parallel("fan", "all", [call("a", "endless"), run("b")], { timeout: "900ms" })]),
  playbook("naps", succeeds, [delay("nap", "100ms"), call("first"), delay("rest", "2s"), run("second")]),
  playbook(
    "too-slow",
    ["SUCCEEDED"],
    [call("first", "endless", { timeout: "600ms", max_retries: 1, on_failure: "rescue" }), call("rescue")],
  ),
  playbook("careful", mayFail, [
    act("first", "chaos-careful-call", "slow", {}),
    act("second", "chaos-careful-script", "slow", {}),
  ]),
  playbook("consent", mayFail, [
    call("before"),
    approval("consent", { timeout: "1500ms", on_timeout: "escalate" }),
    call("after", "steady", { on_success: "end" }),
    run("escalate", "steady"),
  ]),
  playbook("consent-or-not", succeeds, [
    approval("consent", { on_failure: "instead", timeout: "10m" }),
    run("after", "steady", { on_success: "end" }),
    call("instead"),
  ]),
  playbook("consent-branch", mayFail, [
    parallel("fan", "all", [call("a", "slow"), approval("consent", { timeout: "2s" })]),
    call("after"),
  ]),
  playbook("life", ["TIMED_OUT"], [call("first"), approval("consent", { message: leaveAlone })], {
    timeout_minutes: 1,
  }),
  playbook("endless", [], [parallel("fan", "all", [call("a", "endless"), run("b", "endless"), delay("c", "200ms")])]),
  ...[held, heldScript, overslept],
  playbook("finding", succeeds, [call("first"), run("second")], { trigger: { event: "finding.new" } }),
  playbook("grave-finding", succeeds, [delay("nap", "300ms"), call("first")], {
    trigger: { event: "finding.new", conditions: { severity: "critical" } },
  }),
  playbook("tells", succeeds, [call("tell"), run("last")]),
  playbook("told", succeeds, [call("first")], {
    trigger: { event: "action.completed", conditions: { step: "tell" } },
  }),
  playbook("tick", succeeds, [call("first"), delay("nap", "200ms")], {
    trigger: { event: "schedule", cron: "0 0 1 1 *" },
  }),
];
