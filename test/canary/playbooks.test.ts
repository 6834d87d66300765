import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CanaryWorld } from "./canary-world.ts";
import { canary, plainCanary } from "./forms.ts";
import { type EchoVendor, openEchoVendor } from "./vendor.ts";

// Beside actions.test.ts: what is planned, tried out, asked about, set off by an end and begun again.

const stored = canary("stored, of a playbook");
const header = plainCanary("stored for a header, of a playbook");
const given = canary("given, in the sandbox");
const secrets = [stored, header, given];

let vendor: EchoVendor;
let world: CanaryWorld;
let approver: string;

beforeAll(async () => {
  vendor = await openEchoVendor();
  world = await CanaryWorld.open();
  approver = await world.token("lead", ["viewer", "lead"]);
  await world.mutate("putSecret", "secret { name }", { name: "the-key", value: stored });
  await world.mutate("putSecret", "secret { name }", { name: "of-a-header", value: header });
  const parameters = [
    { name: "key", type: "secret", required: true },
    { name: "note", type: "string" },
  ];
  const headers = { "X-Key": { $secret: "of-a-header" } };
  for (const echo of ["body", "refusal"]) {
    const executor = { type: "remote", target: `${vendor.origin}/${echo}`, headers };
    await register({ name: echo, parameters, executor });
  }
  const content = "set -x; cat; printf '%s' \"$PARAM_KEY\" >&2; exit 1\n";
  await register({ name: "print", parameters, executor: { type: "local", target: "print.sh" } }, [
    { path: "print.sh", content },
  ]);
});
afterAll(async () => {
  await world.close();
  vendor.close();
});

async function register(fields: object, files: readonly object[] = []): Promise<void> {
  const definition = { version: "1.0.0", type: "enrichment", description: "Tells what it is given.", ...fields };
  await world.mutate("registerAction", "action { id }", { definition, files });
}

async function playbook(key: string, trigger: string, ...steps: readonly string[]): Promise<void> {
  const head = [`id: ${key}`, `name: ${key}`, 'version: "1.0.0"', `trigger: {${trigger}}`, "steps:"];
  const source = [...head, ...steps.map((step) => `  - {name: A step, ${step}}`)].join("\n");
  await world.mutate("registerPlaybook", "playbook { id }", { source });
}

type Started = { readonly run: { readonly id: string } };
const step = (id: string, action: string, more = "") =>
  `id: ${id}, type: action, action_ref: ${action}, parameters: {key: {$secret: the-key}${more}}`;

describe("secrets of a playbook", () => {
  test.each(["body", "print"])(
    "that are given in the sandbox (%s) are found nowhere, its report among that",
    async (ref) => {
      const parameters = { key: given, note: `with ${given}` };
      const { run } = await world.mutate<Started>("executeAction", "run { id }", { ref, parameters, sandbox: true });
      const ended = await world.ended(run.id);
      expect(ended.text).toMatch(ref === "body" ? /"interceptedCalls":\[\{/ : /"commandsExecuted":\[\{/);
      expect(ended.text).toContain("***");
      await world.expectClean(...secrets);
      // It touched nobody, and read no credential.
      expect(vendor.heard()).not.toContain(header);
    },
  );

  test("are found nowhere in a dry run", async () => {
    await playbook(
      "planned",
      "event: manual",
      step("one", "body", ', note: "{{ finding.title }}"'),
      step("two", "print"),
    );
    const { run } = await world.mutate<Started>("executePlaybook", "run { id }", { key: "planned", dryRun: true });
    expect((await world.ended(run.id)).status).toBe("SUCCEEDED");
    await world.expectClean(...secrets);
    expect(vendor.heard()).not.toContain(header);
  });

  test("are found nowhere while people are asked about them, nor after they said yes", async () => {
    const ask = "id: ask, type: approval, approvers: [{role: lead}], timeout: 1h";
    await playbook("asked", "event: manual", ask, step("act", "body", ', note: "{{ steps.ask.output.comment }}"'));
    const { run } = await world.mutate<Started>("executePlaybook", "run { id }", { key: "asked" });
    const asking = "query($id: ID!) { run(id: $id) { steps { approval { id effect } } } }";
    const approvals = async () => {
      const { run: shown } = await world.ask<{ run: { steps: { approval: { id: string } | null }[] } }>(asking, run);
      return shown.steps.flatMap(({ approval }) => approval ?? []);
    };
    await expect.poll(async () => (await approvals()).length).toBe(1);
    await world.expectClean(...secrets);
    const id = (await approvals())[0]?.id;
    await world.mutate("decideApproval", "approval { id }", { id, decision: "APPROVE", comment: "Yes." }, approver);
    expect((await world.ended(run.id)).status).toBe("SUCCEEDED");
    expect(vendor.heard()).toContain(header);
    await world.expectClean(...secrets);
  });

  test("are found nowhere in what the end of an action sets off", async () => {
    await playbook("set-off", "event: action.completed", step("one", "body", ', note: "of {{ trigger.output }}"'));
    await playbook("source", "event: finding.new", step("only", "refusal", ', note: "of {{ trigger }}"'));
    const event = { type: "finding.new", data: { finding: { title: "Odd" } } };
    await world.mutate("emitEvent", "event { id }", event);
    const runs = "query($key: String) { runs(first: 1, filter: { playbook: $key }) { edges { node { id } } } }";
    type Page = { runs: { edges: { node: { id: string } }[] } };
    const runOf = async (key: string) => (await world.ask<Page>(runs, { key })).runs.edges[0]?.node.id ?? "";
    for (const key of ["source", "set-off"]) {
      await expect.poll(() => runOf(key)).not.toBe("");
      expect((await world.ended(await runOf(key))).text).toContain("of {");
    }
    await world.expectClean(...secrets);
  });

  test("are found nowhere when a run is begun again from the step that failed", async () => {
    await playbook("failing", "event: manual", step("first", "body"), step("second", "refusal"));
    const { run } = await world.mutate<Started>("executePlaybook", "run { id }", { key: "failing" });
    expect((await world.ended(run.id)).status).toBe("FAILED");
    const again = await world.mutate<Started>("rerunFromFailure", "run { id }", { id: run.id });
    expect((await world.ended(again.run.id)).status).toBe("FAILED");
    await world.expectClean(...secrets);
  });

  test("that a vendor was sent by one step and tells another are found nowhere", async () => {
    await register({ name: "recall", parameters: [], executor: { type: "remote", target: `${vendor.origin}/recall` } });
    const recall = "type: action, action_ref: recall";
    await playbook("recalled", "event: manual", step("send", "body"), `id: again, ${recall}`, `id: still, ${recall}`);
    const { run } = await world.mutate<Started>("executePlaybook", "run { id }", { key: "recalled" });
    const ended = await world.ended(run.id);
    expect(ended.status).toBe("SUCCEEDED");
    expect(ended.text).toMatch(/"heard":"[^"]*\*\*\*/);
    await world.expectClean(...secrets);
  });
});
