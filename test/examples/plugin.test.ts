import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { acmeToken, type FakeAcme, startFakeAcme } from "../../examples/plugin/fake-acme.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let acme: FakeAcme;
let server: TestServer;
beforeAll(async () => {
  acme = await startFakeAcme();
  server = await startTestServer({ config: { PLUGINS: ["./examples/plugin/acme-edr.ts"] } });
});
afterAll(async () => {
  await server.close();
  acme.close();
});

interface Dispatched {
  readonly dispatch: {
    readonly cost: number;
    readonly result: Readonly<Record<"status" | "summary" | "error", string | null>> & { readonly details: object };
  };
}

const document = `mutation ($input: LiveActionInput!) { dispatchLiveAction(input: $input) {
  ... on DispatchLiveActionPayload { dispatch { cost result { status summary error details } } } ... on Failure { code message } } }`;

async function dispatch(input: object): Promise<Dispatched["dispatch"]> {
  const variables = { input: { capability: "isolate_host", vendorId: "acme_edr", target: "host-77", ...input } };
  const answer = await server.client().request<{ dispatchLiveAction: Dispatched }>(document, variables);
  return answer.dispatchLiveAction.dispatch;
}

describe("the example of a plugin", () => {
  const params = () => ({ acme_url: acme.url, acme_token: acmeToken });

  test("is in the catalogue", async () => {
    const query = `{ liveActions(filter: { source: PLUGIN }) { vendorId capability source requiresCredentials costPerCall impact rollbackSupported } }`;
    const common = { vendorId: "acme_edr", source: "PLUGIN", requiresCredentials: true };
    expect(await server.client().request(query)).toEqual({
      liveActions: [
        { ...common, capability: "isolate_host", costPerCall: 2, impact: "HIGH", rollbackSupported: true },
        { ...common, capability: "unisolate_host", costPerCall: 0, impact: "MODERATE", rollbackSupported: false },
      ],
    });
  });

  test("previews in a dry run and without credentials, and calls nobody", async () => {
    for (const input of [{ dryRun: true, params: params() }, {}]) {
      const { result } = await dispatch(input);
      expect(result).toMatchObject({ status: "SIMULATED", details: { change: "is cut off the network" } });
    }
    expect(acme.asked).toEqual([]);
  });

  test("isolates a host, and says what of it failed", async () => {
    const { result, cost } = await dispatch({ params: params() });
    expect(result).toMatchObject({ status: "SUCCEEDED", summary: "Isolated host-77.", details: { host_id: "h-77" } });
    expect(cost).toBe(2);
    expect([...acme.isolated]).toEqual(["host-77"]);
    const strange = await dispatch({ target: "../admin?x=1", params: params() });
    expect(strange.result).toMatchObject({ status: "FAILED", error: "target_not_found" });
    expect(acme.asked.at(-1)).toBe("PUT /v1/hosts/..%2Fadmin%3Fx%3D1/isolation");
    const refused = await dispatch({ params: { ...params(), acme_token: "another" } });
    expect(refused.result).toMatchObject({ status: "FAILED", error: "vendor_error", details: { status: 401 } });
  });

  test("is undone with the credentials of the store", async () => {
    const put = `mutation ($input: PutSecretInput!) { putSecret(input: $input) { __typename } }`;
    for (const [name, value] of Object.entries(params()))
      await server.client().request(put, { input: { name, value } });
    const requestId = "incident-7";
    const { result } = await dispatch({ requestId });
    expect(result.status).toBe("SUCCEEDED");
    const undo = `mutation ($input: RollbackLiveActionInput!) { rollbackLiveAction(input: $input) {
      ... on RollbackLiveActionPayload { dispatch { result { status summary } } } ... on Failure { code message } } }`;
    expect(await server.client().request(undo, { input: { requestId, reason: "A false alarm." } })).toMatchObject({
      rollbackLiveAction: { dispatch: { result: { status: "SUCCEEDED", summary: "Let back host-77." } } },
    });
    expect([...acme.isolated]).toEqual([]);
  });

  test("is what its pages tell", () => {
    const readme = readFileSync(new URL("../../examples/plugin/README.md", import.meta.url), "utf8");
    expect(readme).toContain(acmeToken);
    const [, body = ""] = /-d '([^']+)'/.exec(readme) ?? [];
    expect(JSON.parse(body)).toMatchObject({ variables: { input: { vendorId: "acme_edr" } } });
  });
});

describe("a server with a plugin that can't be used", () => {
  test("does not start, and says why", async () => {
    await expect(startTestServer({ config: { PLUGINS: ["./nowhere.ts"] } })).rejects.toThrow(
      /nowhere\.ts: there is no file/,
    );
  });
});
