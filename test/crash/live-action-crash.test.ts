import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ServerProcess, startServerProcess } from "./server-process.ts";

const token = "crash-test-token-0123456789";
const fields = "id requestId state approval { id } result { status error }";
const dispatchQuery = `mutation($input: LiveActionInput!) {
  dispatchLiveAction(input: $input) { ... on DispatchLiveActionPayload { dispatch { ${fields} } } }
}`;
const rollbackQuery = `mutation($input: RollbackLiveActionInput!) {
  rollbackLiveAction(input: $input) { ... on RollbackLiveActionPayload { dispatch { ${fields} } } ... on StateFailure { code } }
}`;
const decideQuery = "mutation($input: DecideApprovalInput!) { decideApproval(input: $input) { __typename } }";

interface Dispatch {
  readonly requestId: string;
  readonly state: string;
  readonly approval: { readonly id: string } | null;
  readonly result: { readonly status: string; readonly error: string | null } | null;
}

let directory: string;
let server: ServerProcess;
let vendor: Server;
let isHanging = false;
const calls: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "riposte-crash-"));
  await chmod(directory, 0o755);
  vendor = createServer((request, response) => {
    calls.push(request.url ?? "");
    if (!isHanging) response.end("{}");
  });
  await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
  await start();
});

afterEach(async () => {
  await server.stop();
  vendor.closeAllConnections();
  vendor.close();
  await rm(directory, { recursive: true, force: true });
});

async function start(): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const env = { PLUGINS: "./test/live-actions/plugins/calling.mjs" };
  server = await startServerProcess({ dataDirectory: path.join(directory, "data"), port, token, env });
}

async function killAndStart(): Promise<void> {
  await server.kill();
  await start();
}

const request = <Answer>(query: string, variables: object = {}) => server.client.request<Answer>(query, variables);

async function dispatch(requestId: string): Promise<Dispatch> {
  const params = { crash_url: `http://127.0.0.1:${(vendor.address() as AddressInfo).port}` };
  const input = { requestId, capability: "isolate_host", vendorId: "crash", target: "host-77", params };
  const answer = await request<{ dispatchLiveAction: { dispatch: Dispatch } }>(dispatchQuery, { input });
  return answer.dispatchLiveAction.dispatch;
}

async function rollBack(requestId: string): Promise<{ readonly dispatch?: Dispatch; readonly code?: string }> {
  const answer = await request<{ rollbackLiveAction: object }>(rollbackQuery, { input: { requestId } });
  return answer.rollbackLiveAction;
}

/** How all ended, newest first; undefined while one has not. */
async function ended(): Promise<(string | null)[] | undefined> {
  const query = `{ liveActionDispatches(first: 10) { edges { node { ${fields} } } } }`;
  const answer = await request<{ liveActionDispatches: { edges: { node: Dispatch }[] } }>(query);
  const all = answer.liveActionDispatches.edges.map(({ node }) => node);
  return all.every(({ state }) => state === "COMPLETED") ? all.map(({ result }) => result?.error ?? null) : undefined;
}

test("a server that is killed while it waits for people, calls a vendor or undoes a call, calls nobody twice", async () => {
  expect((await dispatch("done")).result?.status).toBe("SUCCEEDED");
  await request(`mutation { updateTenantSettings(input: { allowSelfApproval: true }) { __typename } }`);
  const policy = `capability: "isolate_host", requireApproval: true, approvers: [{ role: "admin" }]`;
  await request(`mutation { setLiveActionPolicy(input: { ${policy} }) { __typename } }`);
  const asked = [await dispatch("asked"), (await rollBack("done")).dispatch];
  expect(asked.map((one) => one?.state)).toEqual(["AWAITING_APPROVAL", "AWAITING_APPROVAL"]);

  await killAndStart();
  isHanging = true;
  for (const one of asked) {
    const input = { id: one?.approval?.id, decision: "APPROVE" };
    const both = await Promise.all([request(decideQuery, { input }), request(decideQuery, { input })]);
    const names = both.map(
      (answer) => (answer as { decideApproval: { __typename: string } }).decideApproval.__typename,
    );
    expect(names.toSorted()).toEqual(["DecideApprovalPayload", "StateFailure"]);
  }
  await vi.waitFor(() => expect(calls.toSorted()).toEqual(["/isolate", "/isolate", "/release"]), { timeout: 20_000 });

  await killAndStart();
  isHanging = false;
  // What "asked" and the rollback came to; "done" was done.
  const unknown = ["effect_unknown", "effect_unknown", null];
  await vi.waitFor(async () => expect(await ended()).toEqual(unknown), { timeout: 60_000, interval: 500 });
  expect((await dispatch("asked")).result?.error).toBe("effect_unknown");
  expect((await rollBack("asked")).code).toBe("not_succeeded");
  expect(calls).toHaveLength(3);
  // A person who has looked at the vendor may undo it once more.
  expect((await rollBack("done")).dispatch?.state).toBe("AWAITING_APPROVAL");
}, 180_000);
