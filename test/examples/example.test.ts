import { spawn } from "node:child_process";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunsDocument } from "../../client/generated/graphql.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const root = path.resolve(import.meta.dirname, "../..");

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs examples/run.ts as `npm run example` does, with nothing of this process's environment that could speak for it. */
function runExample(environment: Record<string, string>): Promise<Ended> {
  const { RIPOSTE_TOKEN: _token, RIPOSTE_URL: _url, ADMIN_TOKEN: _admin, PORT: _port, ...inherited } = process.env;
  const child = spawn(process.execPath, ["examples/run.ts"], {
    cwd: root,
    env: { ...inherited, FIREWALL_PORT: "0", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

describe("npm run example", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  const run = () => runExample({ RIPOSTE_URL: server.url, RIPOSTE_TOKEN: server.adminToken });

  test("registers the catalogue, follows the run live and ends well, twice in a row", async () => {
    const first = await run();
    expect(first.output).toMatch(/block-ip +1\.0\.0 +remote +registered/);
    expect(first.output).toMatch(/block-at-firewall waiting|block-at-firewall failed/);
    expect(first.output).toContain("block-at-firewall (attempt 2) succeeded");
    expect(first.output).toContain("confirm-block | 203.0.113.45 is blocked already, by rule-1");
    expect(first.output).toContain("Outcome: succeeded");
    expect(first).toMatchObject({ code: 0 });

    const second = await run();
    expect(second.output).toMatch(/block-ip +1\.0\.0 +remote +is there already/);
    expect(second).toMatchObject({ code: 0 });

    const { runs } = await server.client().request(RunsDocument, { first: 10, filter: { kind: "PLAYBOOK" } });
    expect(runs.edges.map(({ node }) => node.status)).toEqual(["SUCCEEDED", "SUCCEEDED"]);
  }, 90_000);

  test("says what to do without a token, and where nothing answers", async () => {
    const withoutToken = await runExample({ RIPOSTE_URL: server.url });
    expect(withoutToken.output).toContain("RIPOSTE_TOKEN=");
    const nobody = await runExample({ RIPOSTE_URL: "http://127.0.0.1:9/graphql", RIPOSTE_TOKEN: "rip_x" });
    expect(nobody.output).toContain("npm start");
    const stranger = await runExample({ RIPOSTE_URL: server.url, RIPOSTE_TOKEN: "rip_stranger-0123456789" });
    expect(stranger.output).toContain("does not know this token");
    expect([withoutToken.code, nobody.code, stranger.code]).toEqual([1, 1, 1]);
  });
});

describe("npm run example against a server that may not reach loopback", () => {
  test("takes the fallback, ends well, and says why", async () => {
    const server = await startTestServer({ config: { EGRESS_ALLOW: [] } });
    try {
      const { code, output } = await runExample({ RIPOSTE_URL: server.url, RIPOSTE_TOKEN: server.adminToken });
      expect(output).toContain("egress_refused");
      expect(output).toMatch(/block-by-script .*succeeded/);
      expect(output).toContain("EGRESS_ALLOW=127.0.0.1:4199");
      expect(code).toBe(0);
    } finally {
      await server.close();
    }
  }, 60_000);
});
