import { spawn } from "node:child_process";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiTokensDocument, RunsDocument, SetPlaybookEnabledDocument } from "../../client/generated/graphql.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { hearOutput } from "../support/watched-leaks.ts";

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
    env: { ...inherited, SERVICES_PORT: "0", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  hearOutput(child, "the example");
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

/** What is told of the critical vulnerabilities, in this order. The services tell theirs when they like. */
const responseLines = [
  /emitted twice with the same key: it is one event, and starts one run$/,
  /parallel-response running$/,
  /(slack-alert|jira-ticket) running$/,
  /(slack-alert|jira-ticket) running$/,
  /parallel-response succeeded in /,
  /approve-remediation waiting$/,
  /asked of security_lead: approve-remediation\. A yes lets happen:$/,
  /remediate: act-auto-patch@1\.0\.0 \{"finding_id":"f-3107"\}$/,
  /escalate: act-pagerduty-alert@1\.0\.0$/,
  /approved by security lead \w+: “The maintenance window is open\.”$/,
  /remediate succeeded in /,
  /run succeeded$/,
  /remediate failed in .*: out_of_service, /,
  /escalate succeeded in /,
  /run succeeded$/,
  /failedStepCount is 1\.$/,
  /approve-remediation failed: approval_rejected, .*Not during the payroll run\.$/,
  /run failed: /,
  /Aborted: /,
  /low-priority-notify succeeded in /,
  /run succeeded$/,
  /Everything ended as it should\.$/,
];

/** Those of the patterns that no line matches behind the line of the pattern before. */
function missingFrom(output: string, patterns: readonly RegExp[]): RegExp[] {
  const lines = output.split("\n");
  let next = 0;
  return patterns.filter((pattern) => {
    const found = lines.findIndex((line, index) => index >= next && pattern.test(line));
    if (found >= 0) next = found + 1;
    return found < 0;
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
    expect(first.output).toMatch(/pb-critical-vuln-response 1\.2\.0 +8 steps/);
    expect(first).toMatchObject({ code: 0 });
    expect(missingFrom(first.output, responseLines)).toEqual([]);
    for (const name of ["slack", "jira", "patch", "pagerduty", "mail"]) {
      expect(first.output).toMatch(new RegExp(`^ +${name}: POST .* → 20\\d$`, "m"));
    }
    expect(first.output).toContain(`curl ${server.url.replace("/graphql", "/events")} `);
    expect(first.output).not.toMatch(/rip_\w/);

    const second = await run();
    expect(second.output).toMatch(/block-ip +1\.0\.0 +remote +is there already/);
    expect(second).toMatchObject({ code: 0 });

    const { runs } = await server.client().request(RunsDocument, { first: 20, filter: { kind: "PLAYBOOK" } });
    const newestFirst = ["SUCCEEDED", "FAILED", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"];
    expect(runs.edges.map(({ node }) => node.status)).toEqual([...newestFirst, ...newestFirst]);
    const { apiTokens } = await server.client().request(ApiTokensDocument, {});
    expect(apiTokens.edges.filter(({ node }) => node.revokedAt === null)).toHaveLength(1);
  }, 90_000);

  test("says so, and ends badly, where the events start nothing", async () => {
    const input = { key: "pb-critical-vuln-response", enabled: false };
    await server.client().request(SetPlaybookEnabledDocument, { input });
    const { code, output } = await run();
    expect(output).toContain("The event has started no run of pb-critical-vuln-response.");
    expect(code).toBe(1);
    const { apiTokens } = await server.client().request(ApiTokensDocument, {});
    expect(apiTokens.edges.filter(({ node }) => node.revokedAt === null)).toHaveLength(1);
  }, 60_000);

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
      expect(output).toMatch(/left out: the remote actions may not reach loopback.*EGRESS_ALLOW=127\.0\.0\.1:4199/);
      expect(code).toBe(0);
    } finally {
      await server.close();
    }
  }, 60_000);
});
