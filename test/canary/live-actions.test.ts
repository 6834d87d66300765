import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Adapter, AdapterCall, AdapterResult } from "../../src/live-actions/adapter.ts";
import { CanaryWorld } from "./canary-world.ts";
import { canary, formsOf, plainCanary } from "./forms.ts";
import { type EchoVendor, echoes, openEchoVendor } from "./vendor.ts";

// Beside test/live-actions/no-leak.test.ts (each built-in adapter), vendor-tokens.test.ts (tokens that a vendor hands out) and
// plugin-setups.test.ts (what a plugin prints): credentials by every way in, looked for in every place.

const stored = plainCanary("credential of the store");
const referred = canary("credential by reference");
const given = canary("credential of the request");
const gated = canary("credential of a gated request");
const secrets = [stored, referred, given, gated];

let vendor: EchoVendor;
let world: CanaryWorld;

/** Asks the vendor in the way that its target names, and tells all that comes back. */
async function tellAll({ target, credentials, params, http }: AdapterCall): Promise<AdapterResult> {
  const all = Object.values(credentials);
  if (target === "throws") throw Object.assign(new TypeError(`no ${all.join()}`), { code: `vendor_${all[0]}` });
  if (target === "odd") return { status: "SUCCEEDED", summary: 7, details: all.join() } as unknown as AdapterResult;
  if (target === "tells") {
    const details = { forms: all.flatMap(formsOf), [all[1] ?? ""]: { params, excerpt: http.excerpt(all.join(), 20) } };
    return { status: "FAILED", error: all.join(), summary: `${"x".repeat(1_990)}${all.join()}`, details };
  }
  const headers = { authorization: `Bearer ${credentials["echo_token"]}` };
  const request = {
    method: "POST",
    url: new URL(`${vendor.origin}/${target}`),
    headers,
    json: { ...credentials },
  } as const;
  const { status, body, text } = await http.call(request);
  return {
    status: "SUCCEEDED",
    summary: text.slice(0, 200),
    details: { status, body: body ?? null },
    warnings: [text],
  };
}

function adapter(capability: string): Adapter {
  const secret = (name: string) => ({ name, isRequired: true, isSecret: true, description: "Proves it." });
  return {
    ...{ vendorId: "echo", capability, description: "Tells what it is given.", impact: "HIGH", isIdempotent: true },
    credentials: [secret("echo_token"), secret("echo_key"), secret("echo_password")],
    timeoutMs: 20_000,
    preview: ({ target, params }) => ({ target, params }),
    execute: tellAll,
    rollback: tellAll,
  };
}

beforeAll(async () => {
  vendor = await openEchoVendor();
  world = await CanaryWorld.open([adapter("isolate_host"), adapter("block_ip")]);
  await world.mutate("putSecret", "secret { name }", { name: "echo_token", value: stored });
  await world.mutate("putSecret", "secret { name }", { name: "of-another-name", value: referred });
  const policy = { capability: "block_ip", requireApproval: true, approvers: [{ role: "viewer" }] };
  await world.mutate("setLiveActionPolicy", "policy { capability }", policy);
});
afterAll(async () => {
  await world.close();
  vendor.close();
});

const params = (password: string) => ({ echo_key: { $secret: "of-another-name" }, echo_password: password });

async function dispatch(target: string, more: object = {}) {
  const input = { capability: "isolate_host", vendorId: "echo", target, params: params(given), ...more };
  type Payload = { dispatch: { id: string; approval: { id: string } | null } };
  return (await world.mutate<Payload>("dispatchLiveAction", "dispatch { id approval { id } }", input)).dispatch;
}

describe("credentials of a live action", () => {
  test.each([...echoes, "throws", "odd", "tells"])("that come back (%s) are found nowhere", async (target) => {
    const { id } = await dispatch(target);
    const ended = await world.dispatchEnded(id);
    expect(ended.status).toBe(target === "body" ? "SUCCEEDED" : "FAILED");
    await world.heard(id);
    await world.expectClean(...secrets);
  });

  test("reach the vendor", () => {
    expect(vendor.heard()).toContain(`Bearer ${stored}`);
    for (const secret of [stored, referred, given])
      expect(vendor.heard()).toContain(JSON.stringify(secret).slice(1, -1));
  });

  test("that stand elsewhere in the request are shown nowhere", async () => {
    const more = {
      caseId: `case ${given}`,
      requestedBy: given,
      params: { ...params(given), note: [{ [given]: given }] },
    };
    const { id } = await dispatch(`the host ${given}`, more);
    await world.dispatchEnded(id);
    await dispatch(given, { ...more, dryRun: true });
    await world.expectClean(...secrets);
  });

  test.each([
    ["APPROVE", "tells"],
    ["REJECT", "tells"],
    ["APPROVE", "refusal"],
  ])("are found nowhere while people are asked, nor after they said %s (%s)", async (decision, target) => {
    const input = { capability: "block_ip", params: { ...params(gated), note: `with ${gated}` } };
    const { id, approval } = await dispatch(target, input);
    await world.heard(approval?.id ?? "");
    await world.expectClean(...secrets);
    await world.mutate(
      "decideApproval",
      "approval { id }",
      { id: approval?.id, decision, comment: "Seen." },
      world.viewer,
    );
    expect((await world.dispatchEnded(id)).status).toBe("FAILED");
    await world.expectClean(...secrets);
  });

  test("are found nowhere when what they did is undone", async () => {
    // What was given by its value is not kept, so a rollback would not have it.
    const references = { echo_key: { $secret: "of-another-name" }, echo_password: { $secret: "of-another-name" } };
    const requestId = "to be undone";
    const { id } = await dispatch("body", { requestId, params: references });
    await world.dispatchEnded(id);
    const input = { requestId, reason: "Wrong host." };
    type Payload = { dispatch: { id: string } };
    const { dispatch: undone } = await world.mutate<Payload>("rollbackLiveAction", "dispatch { id }", input);
    expect((await world.dispatchEnded(undone.id)).status).toBe("SUCCEEDED");
    await world.expectClean(...secrets);
  });

  test("of a playbook's step are found nowhere", async () => {
    const step = `{id: only, name: Only, type: live_action, capability: isolate_host, vendor_id: echo, target: tells, params: {echo_key: {$secret: of-another-name}, echo_password: {$secret: echo_token}}}`;
    const source = `id: isolate\nname: Isolate\nversion: "1.0.0"\ntrigger: {event: manual}\nsteps:\n  - ${step}`;
    await world.mutate("registerPlaybook", "playbook { id }", { source });
    const { run } = await world.mutate<{ run: { id: string } }>("executePlaybook", "run { id }", { key: "isolate" });
    expect((await world.ended(run.id)).status).toBe("FAILED");
    await world.expectClean(...secrets);
  });

  test("of the wrong type, or in a wrong place, are not told back", async () => {
    for (const value of [{ v: given }, [given], 7, { $secret: given, more: given }]) {
      const wrong = { ...params(given), echo_password: value };
      await world.ask(dispatchText, {
        input: { capability: "isolate_host", vendorId: "echo", target: "body", params: wrong },
      });
      await world.ask(dispatchText, { input: { capability: value, target: value, params: given, dryRun: value } });
      await world.ask(dispatchText, { input: value });
      await world.ask(dispatchText, value);
    }
    await world.ask(dispatchText, { input: { capability: "no_such", target: "host", params: params(given) } });
    await world.expectClean(...secrets);
  });
});

const dispatchText = `mutation($input: LiveActionInput!) { dispatchLiveAction(input: $input) { __typename
  ... on DispatchLiveActionPayload { dispatch { id target result { summary details } } }
  ... on Failure { code message } ... on ValidationFailure { issues { path message } } } }`;
