import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Asked, scriptedAdapter } from "../live-actions/adapters.ts";
import { mutate } from "../tenancy/strangers.ts";
import { Office, statusesOf } from "./approvals-office.ts";

const asked: Asked[] = [];
let office: Office;
beforeAll(async () => {
  office = await Office.open({ adapters: [scriptedAdapter({ asked, capability: "isolate_pod" })] });
  const { server } = office;
  for (const [name, value] of Object.entries({ acme_id: "me", acme_token: "s3cret-t0ken" })) {
    await mutate(server, server.adminToken, "putSecret", "__typename", { name, value });
  }
});
afterAll(() => office.close());

const isolate =
  "{id: isolate, name: Isolate, type: action, action_type: ISOLATE_POD, target: '{{ finding.ip }}', params: {note: n}}";
const ask = "{id: ask, name: Ask, type: approval, approvers: [{role: security_lead}]}";
const tell =
  "{id: tell, name: Tell, type: action, action_ref: note, parameters: {value: '{{ steps.isolate.output.summary }}'}}";

const pending = `{ approvals(filter: { status: PENDING }) { edges { node { id message effect run { id } } } } }`;

describe("a playbook with a live action, through the API", () => {
  test("shows people what a yes lets happen, dispatches exactly that, and hands on what came of it", async () => {
    await office.registerPlaybook("contain", [ask, isolate, tell]);
    const runId = await office.start("contain");
    const request = await office.requestOf(runId);
    expect(request.effect.steps[0]).toEqual({
      ...{ stepId: "isolate", name: "Isolate", capability: "isolate_pod", vendorId: null },
      ...{ target: "10.0.0.7", parameters: { note: "n" } },
    });
    await office.decide(request.id, "APPROVE");
    const run = await office.ended(runId);
    expect(statusesOf(run)).toEqual({ ask: "succeeded", isolate: "succeeded", tell: "succeeded" });
    expect(run.steps.find(({ stepId }) => stepId === "isolate")).toMatchObject({
      ...{ type: "LIVE_ACTION", input: { capability: "isolate_pod", target: "10.0.0.7", params: { note: "n" } } },
      output: { status: "succeeded", vendorId: "acme", details: { host: "10.0.0.7" } },
    });
    expect(office.calls.at(-1)).toEqual({ action: "note", body: { value: "Isolated 10.0.0.7." } });
    expect(asked.at(-1)).toMatchObject({ what: "execute", credentials: { acme_token: "s3cret-t0ken" } });
  });

  test("waits for the lead where the tenant wants it, and whoever started the run can't approve it", async () => {
    const { server } = office;
    const policy = { capability: "isolate_pod", requireApproval: true, approvers: [{ role: "security_lead" }] };
    await mutate(server, server.adminToken, "setLiveActionPolicy", "__typename", policy);
    await office.registerPlaybook("gated", [isolate, tell]);
    const starter = await office.member("sam", ["security_lead", "operator"]);
    const before = asked.length;
    const runId = await office.start("gated", starter);
    const request = await vi.waitUntil(
      async () => {
        const { approvals } = await server
          .client()
          .request<{ approvals: { edges: { node: { id: string; message: string; run: null } }[] } }>(pending);
        return approvals.edges[0]?.node;
      },
      { timeout: 20_000, interval: 20 },
    );
    expect(request.message).toContain("playbook gated");
    await expect(office.decide(request.id, "APPROVE", starter)).rejects.toThrow();
    expect(asked).toHaveLength(before);
    await office.decide(request.id, "APPROVE");
    expect(statusesOf(await office.ended(runId))).toEqual({ isolate: "succeeded", tell: "succeeded" });
    expect(asked.slice(before).map(({ what }) => what)).toEqual(["execute"]);
  });
});
