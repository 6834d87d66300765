import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  DispatchLiveActionDocument,
  DryRunLiveActionDocument,
  LiveActionHistoryDocument,
} from "../../client/generated/graphql.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import type { Adapter, CredentialParam } from "../../src/live-actions/adapter.ts";
import { builtinAdapters } from "../../src/live-actions/builtins.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let vendor: Server;
let origin: string;
let calls: string[] = [];
/** All that the vendor was sent, as it came. */
let sent = "";
beforeAll(async () => {
  server = await startTestServer();
  // Whoever is asked refuses, and repeats whatever it was sent.
  vendor = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    calls.push(`${request.method} ${request.url}`);
    sent += `${request.method} ${request.url} ${JSON.stringify(request.headers)} ${decodeURIComponent(body)}`;
    response.writeHead(400, { "content-type": "application/json" });
    response.end(JSON.stringify({ message: `${request.headers.authorization} ${request.url} ${body}` }));
  });
  await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`;
});
beforeEach(() => {
  calls = [];
  sent = "";
});
afterAll(async () => {
  await server.close();
  vendor.closeAllConnections();
  vendor.close();
});

/** What each capability is asked with. */
const requests: Readonly<Record<string, { readonly target: string; readonly params?: JsonObject }>> = {
  allow_ip: { target: "198.51.100.7" },
  block_domain: { target: "evil.example" },
  block_ioc: { target: "198.51.100.7" },
  block_ip: { target: "198.51.100.7" },
  create_notable_event: { target: "host-77", params: { event_title: "Seen" } },
  disable_user: { target: "alice@example.com" },
  force_mfa: { target: "alice@example.com" },
  isolate_host: { target: "host-77" },
  kill_process: { target: "host-77", params: { pid: 4711 } },
  quarantine_file: { target: "host-77", params: { file_path: "C:\\evil.exe" } },
  reset_password: { target: "alice@example.com" },
  run_av_scan: { target: "host-77" },
  run_script: { target: "host-77", params: { script_name: "collect" } },
  search_siem: { target: "", params: { query: "error" } },
  suspend_session: { target: "alice@example.com" },
  sync_detection_rule: { target: "a-rule", params: { query: "search error" } },
  update_watcher: { target: "a-watch", params: { watcher_body: { trigger: {}, input: {}, actions: {} } } },
};

const secretOf = ({ name }: CredentialParam) => `s3cret-of-${name.replaceAll("_", "-")}`;

/** Every credential of every vendor, each address our vendor's. */
function everyCredential(): Record<string, Json> {
  const all = builtinAdapters.flatMap(({ credentials }) => credentials);
  return Object.fromEntries(all.map((param) => [param.name, valueFor(param)]));
}

function valueFor(param: CredentialParam): Json {
  const { name, isSecret } = param;
  if (isSecret) return secretOf(param);
  if (/_(url|host|domain)$/.test(name)) return origin;
  const plain: Record<string, Json> = {
    ...{ aws_region: "eu-west-1", aws_security_group_id: "sg-0123456789abcdef0", splunk_index: "main" },
    ...{ splunk_verify_ssl: true, elastic_verify_ssl: true, elastic_index: "logs", mde_tenant_id: crypto.randomUUID() },
  };
  return plain[name] ?? null;
}

const pairs = builtinAdapters.map((adapter) => [`${adapter.vendorId} ${adapter.capability}`, adapter] as const);
const inputFor = ({ capability, vendorId }: Adapter, credentials: Record<string, Json>) => ({
  ...{ capability, vendorId, target: requests[capability]?.target ?? "" },
  params: { ...requests[capability]?.params, ...credentials },
});

async function dispatch(adapter: Adapter, credentials: Record<string, Json>) {
  const variables = { input: inputFor(adapter, credentials) };
  const { dispatchLiveAction } = await server.client().request(DispatchLiveActionDocument, variables);
  if (dispatchLiveAction.__typename !== "DispatchLiveActionPayload")
    throw new Error(JSON.stringify(dispatchLiveAction));
  return dispatchLiveAction.dispatch;
}

/** What would tell of a secret. */
const secrets = () =>
  builtinAdapters.flatMap(({ credentials }) => credentials.filter(({ isSecret }) => isSecret).map(secretOf));

describe("each built-in adapter", () => {
  test.each(pairs)(
    "%s, meant and with credentials, calls its vendor, and shows no secret of it",
    async (_pair, adapter) => {
      const ended = await dispatch(adapter, everyCredential());
      if (adapter.vendorId === "generic") expect([ended.result?.status, calls]).toEqual(["SIMULATED", []]);
      else {
        // The control of the tests below: the same request, which there calls nobody.
        expect(calls.length).toBeGreaterThan(0);
        expect(ended.result?.status).toBe("FAILED");
      }
      const shown = JSON.stringify(ended);
      expect(secrets().filter((secret) => shown.includes(secret))).toEqual([]);
      const own = adapter.credentials.map(secretOf);
      expect(secrets().filter((secret) => sent.includes(secret) && !own.includes(secret))).toEqual([]);
    },
  );

  test.each(pairs)("%s calls nobody in a dry run, whatever credentials are there", async (_pair, adapter) => {
    const variables = { input: { ...inputFor(adapter, everyCredential()), dryRun: false } };
    const { dryRunLiveAction } = await server.client().request(DryRunLiveActionDocument, variables);
    expect(dryRunLiveAction).toMatchObject({ dispatch: { mode: "DRY_RUN", result: { status: "SIMULATED" } } });
    expect(calls).toEqual([]);
    expect(secrets().filter((secret) => JSON.stringify(dryRunLiveAction).includes(secret))).toEqual([]);
  });

  test.each(pairs)("%s is simulated, and calls nobody, with all credentials but its own", async (_pair, adapter) => {
    const own = new Set(adapter.credentials.map(({ name }) => name));
    const others = Object.fromEntries(Object.entries(everyCredential()).filter(([name]) => !own.has(name)));
    expect((await dispatch(adapter, others)).result).toMatchObject({ status: "SIMULATED", error: null });
    expect(calls).toEqual([]);
  });
});

describe("the history", () => {
  test("and its rows hold none of the secrets", async () => {
    const history = await server.client().request(LiveActionHistoryDocument, { first: 100 });
    expect(history.liveActionDispatches.edges.length).toBeGreaterThanOrEqual(3 * builtinAdapters.length);
    const rows = await server.orm.em.fork().execute("select d::text as text from live_action_dispatch d");
    const shown = JSON.stringify([history, rows]);
    expect(secrets().filter((secret) => shown.includes(secret))).toEqual([]);
  });
});
