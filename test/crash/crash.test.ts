import { readdirSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { canary } from "../canary/forms.ts";
import { freePort } from "../support/free-ports.ts";
import { followRun } from "./follow-run.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";

const token = "crash-test-token-0123456789";
const runCount = 200;
const followed = 20;
/** The script prints it and the vendor answers it, so that whoever is killed has it in hand. */
const secret = canary("of servers that are killed");

const scriptAction = {
  name: "crash-script",
  version: "1.0.0",
  type: "enrichment",
  description: "Answers what it was given, a little later.",
  parameters: [
    { name: "marker", type: "string", required: true },
    { name: "key", type: "secret", required: true },
  ],
  executor: { type: "local", target: "wait.sh" },
};
const script =
  '#!/bin/sh\necho "marker $PARAM_MARKER $PARAM_KEY" >&2\nsleep 0.0$(( $$ % 9 + 1 ))\nprintf \'{"echo":"%s"}\' "$1"\n';

const playbook = `
id: crash
name: Crash
version: "1.0.0"
trigger: { event: manual }
steps:
  - id: script
    name: Script
    type: action
    action_ref: crash-script
    parameters: { marker: "{{ finding.id }}", key: { $secret: crash-key } }
  - id: check
    name: Check
    type: condition
    expression: "{{ steps.script.output.echo }} == {{ finding.id }}"
    on_true: call
    on_false: end
  - id: call
    name: Call
    type: action
    action_ref: crash-call
    parameters: { marker: "{{ steps.script.output.echo }}", key: { $secret: crash-key } }
`;

describe("a server that is killed", () => {
  let dataDirectory: string;
  let server: ServerProcess;
  let vendor: Server;
  let port: number;
  const calls = new Map<string, number>();

  beforeEach(async () => {
    calls.clear();
    dataDirectory = await mkdtemp(path.join(tmpdir(), "riposte-crash-"));
    await chmod(dataDirectory, 0o755);
    vendor = createServer((request, response) => {
      const key = String(request.headers["idempotency-key"]);
      calls.set(key, (calls.get(key) ?? 0) + 1);
      request.resume().on("end", () => setTimeout(() => response.end(JSON.stringify({ done: secret })), 10));
    });
    await new Promise<void>((resolve) => vendor.listen(0, "127.0.0.1", resolve));
    port = await freePort();
    server = await startServerProcess({ dataDirectory: path.join(dataDirectory, "data"), port, token });
    await register(server, (vendor.address() as AddressInfo).port);
  });

  afterEach(async () => {
    await server.stop();
    vendor.closeAllConnections();
    vendor.close();
    await rm(dataDirectory, { recursive: true, force: true });
  });

  test("loses no run, repeats no recorded step, leaves no script, and its subscribers see every event once", async () => {
    const runs = await startRuns(server);
    const followers = runs.slice(0, followed).map((runId) => followRun({ url: server.url, token, runId }));
    await someStepsEnded(server);
    await server.kill();
    await vi.waitFor(() => expect(scriptsOf(dataDirectory)).toEqual([]), { timeout: 20_000 });
    server = await startServerProcess({ dataDirectory: path.join(dataDirectory, "data"), port, token });
    await allEnded(server, runs);
    await expectWholeHistories(server, runs);
    for (const sequences of await Promise.all(followers)) {
      expect(sequences).toEqual(sequences.map((_, index) => index + 1));
    }
  }, 120_000);

  test("outlives its PostgreSQL being killed", async () => {
    const runs = await startRuns(server);
    const followers = runs.slice(0, followed).map((runId) => followRun({ url: server.url, token, runId }));
    await someStepsEnded(server);
    process.kill(postmasterOf(path.join(dataDirectory, "data")), "SIGKILL");
    await allEnded(server, runs);
    await expectWholeHistories(server, runs);
    for (const sequences of await Promise.all(followers)) {
      expect(sequences).toEqual(sequences.map((_, index) => index + 1));
    }
  }, 120_000);
});

async function register({ client }: ServerProcess, vendorPort: number): Promise<void> {
  const files = [{ path: "wait.sh", content: script, executable: true }];
  const remote = {
    ...scriptAction,
    name: "crash-call",
    executor: { type: "remote", target: `http://127.0.0.1:${vendorPort}/call` },
    retry: { max_attempts: 5, backoff_seconds: 1 },
  };
  const answers = await client.request<Record<string, { __typename: string }>>(
    `mutation($secret: PutSecretInput!, $script: RegisterActionInput!, $remote: RegisterActionInput!, $playbook: RegisterPlaybookInput!) {
      secret: putSecret(input: $secret) { __typename }
      a: registerAction(input: $script) { __typename ... on ValidationFailure { issues { path message } } }
      b: registerAction(input: $remote) { __typename ... on ValidationFailure { issues { path message } } }
      c: registerPlaybook(input: $playbook) { __typename ... on ValidationFailure { issues { path message } } }
    }`,
    {
      secret: { name: "crash-key", value: secret },
      script: { definition: scriptAction, files },
      remote: { definition: remote },
      playbook: { source: playbook },
    },
  );
  expect(Object.values(answers).map(({ __typename }) => __typename)).toEqual([
    "PutSecretPayload",
    "RegisterActionPayload",
    "RegisterActionPayload",
    "RegisterPlaybookPayload",
  ]);
}

async function startRuns({ client }: ServerProcess): Promise<string[]> {
  const start = async (index: number) => {
    const { executePlaybook } = await client.request<{ executePlaybook: { run: { id: string } } }>(
      `mutation($input: ExecutePlaybookInput!) { executePlaybook(input: $input) { ... on ExecutePlaybookPayload { run { id } } ... on Failure { code message } } }`,
      { input: { key: "crash", context: { finding: { id: `f-${index}` } } } },
    );
    return executePlaybook.run.id;
  };
  return Promise.all(Array.from({ length: runCount }, (_, index) => start(index)));
}

/** A moment at which many runs are at every stage. */
async function someStepsEnded({ client }: ServerProcess): Promise<void> {
  for (;;) {
    const { runs } = await client.request<{ runs: { totalCount: number } }>(
      "{ runs(first: 1, filter: { status: [SUCCEEDED] }) { totalCount } }",
    );
    if (runs.totalCount > runCount / 10) return;
  }
}

async function allEnded({ client }: ServerProcess, runs: readonly string[]): Promise<void> {
  for (;;) {
    const answer = await client
      .request<{ runs: { totalCount: number } }>(
        "{ runs(first: 1, filter: { status: [QUEUED, RUNNING, WAITING] }) { totalCount } }",
      )
      .catch(() => ({ runs: { totalCount: runs.length } }));
    if (answer.runs.totalCount === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface History {
  readonly run: {
    readonly status: string;
    readonly events: { readonly edges: readonly { readonly node: HistoryEvent }[] };
  };
}
interface HistoryEvent {
  readonly sequence: number;
  readonly stepId?: string;
  readonly stepStatus?: string;
}

async function expectWholeHistories({ client }: ServerProcess, runs: readonly string[]): Promise<void> {
  for (const id of runs) {
    const { run } = await client.request<History>(
      `query($id: ID!) { run(id: $id) { status events(first: 100) { edges { node { sequence ... on LogEvent { text } ... on StepStatusEvent { stepId stepStatus: status output } } } } } }`,
      { id },
    );
    const events = run.events.edges.map(({ node }) => node);
    expect(run.status).toBe("SUCCEEDED");
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    const succeeded = events.filter(({ stepStatus }) => stepStatus === "SUCCEEDED").map(({ stepId }) => stepId);
    expect(succeeded).toEqual(["script", "check", "call"]);
  }
}

/** Processes whose environment names this installation: Linux only, elsewhere none are found. */
function scriptsOf(directory: string): string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return command.includes("wait.sh") && readFileSync(`/proc/${pid}/environ`, "utf8").includes(directory);
      } catch {
        return false;
      }
    });
}

function postmasterOf(dataDirectory: string): number {
  const find = (directory: string): string | undefined => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.name === "postmaster.pid") return path.join(directory, entry.name);
      if (entry.isDirectory() && !entry.name.startsWith("pg_")) {
        const found = find(path.join(directory, entry.name));
        if (found) return found;
      }
    }
    return undefined;
  };
  return Number(readFileSync(find(dataDirectory) ?? "", "utf8").split("\n")[0]);
}
