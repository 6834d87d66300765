import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";

interface Ran {
  readonly status: string;
  readonly steps: readonly { status: string; output: unknown; error: { code: string; message: string } | null }[];
  readonly events: {
    readonly edges: readonly { readonly node: { readonly text?: string; readonly stream?: string } }[];
  };
}

const detail = `query($id: ID!) { run(id: $id) { status steps { status output error { code message } }
  events(first: 100) { edges { node { ... on LogEvent { text stream } } } } } }`;

function has(command: string): boolean {
  try {
    execFileSync("which", [command], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Processes whose command line holds a text. */
function processesWith(text: string): string[] {
  if (!existsSync("/proc/self")) return [];
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });
}

describe("an action whose script", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  async function run(
    name: string,
    script: { path: string; content: string },
    more: object,
    parameters: object,
  ): Promise<Ran> {
    const definition = {
      name,
      version: "1.0.0",
      type: "containment",
      description: "Runs a script.",
      executor: { type: "local", target: script.path },
      ...more,
    };
    const started = await server.client().request<{ executeAction: { run: { id: string } } }>(
      `mutation($action: RegisterActionInput!, $start: ExecuteActionInput!) {
        registerAction(input: $action) { ... on ValidationFailure { issues { path message } } }
        executeAction(input: $start) { ... on ExecuteActionPayload { run { id } } ... on ValidationFailure { issues { path message } } } }`,
      { action: { definition, files: [script] }, start: { ref: name, parameters } },
    );
    const { id } = started.executeAction.run;
    const follow = "subscription($id: ID!) { runEvents(runId: $id) { sequence } }";
    for await (const { errors } of server.subscribe(server.adminToken, follow, { id })) expect(errors).toBeUndefined();
    return (await server.client().request<{ run: Ran }>(detail, { id })).run;
  }

  /** What the script wrote; on a host that cannot isolate it, the log says that too. */
  const logOf = ({ events }: Ran) =>
    events.edges.flatMap(({ node }) => (node.text === undefined || node.stream === "SYSTEM" ? [] : [node.text]));

  test("ignores SIGTERM and has children is gone after its timeout, timed out, its log kept", async () => {
    const mark = "4242.4242";
    const content = `#!/bin/sh
trap '' TERM
echo "began" >&2
sh -c "trap '' TERM; sleep ${mark}" &
sleep ${mark} &
echo "has children" >&2
wait; wait; sleep ${mark}
`;
    const ran = await run("stubborn", { path: "stubborn.sh", content }, { parameters: [], timeout_seconds: 1 }, {});
    expect(ran).toMatchObject({ status: "TIMED_OUT", steps: [{ status: "TIMED_OUT" }] });
    expect(logOf(ran)).toEqual(expect.arrayContaining(["began", "has children"]));
    expect(processesWith(mark)).toEqual([]);
  });

  test.skipIf(!has("python3"))(
    "is Python by the guide answers by stdout, logs by stderr and fails by its exit code (needs python3)",
    async () => {
      const content = `import json, sys
params = json.load(sys.stdin)
print(f"Blocking {params['ip_address']} for {params.get('duration_hours', 24)}h", file=sys.stderr)
if params["ip_address"] == "192.0.2.1":
    json.dump({"status": "error", "error": {"code": 409, "message": "already there"}}, sys.stdout)
    sys.exit(1)
json.dump({"status": "success", "data": {"rule_id": "r1", "hours": params["duration_hours"]}}, sys.stdout)
`;
      const more = {
        parameters: [
          { name: "ip_address", type: "string", required: true },
          { name: "duration_hours", type: "integer", default: 24 },
        ],
      };
      const blocked = await run("py-block", { path: "block.py", content }, more, { ip_address: "192.0.2.7" });
      expect(blocked).toMatchObject({
        status: "SUCCEEDED",
        steps: [{ output: { data: { rule_id: "r1", hours: 24 } } }],
      });
      expect(logOf(blocked)).toEqual(["Blocking 192.0.2.7 for 24h"]);
      const refused = await run("py-block-2", { path: "block.py", content }, more, { ip_address: "192.0.2.1" });
      expect(refused).toMatchObject({
        status: "FAILED",
        steps: [{ error: { code: "409", message: "already there" } }],
      });
    },
  );

  test.skipIf(!has("bash"))(
    "is a shell script by the guide takes positional arguments and their defaults (needs bash)",
    async () => {
      const content = `#!/usr/bin/env bash
set -euo pipefail
IP_ADDRESS="$1"
DURATION="\${2:-24}"
echo "{\\"ip\\": \\"\${IP_ADDRESS}\\", \\"duration_h\\": \${DURATION}}"
`;
      const more = {
        parameters: [
          { name: "ip_address", type: "string", required: true },
          { name: "duration_hours", type: "integer" },
        ],
      };
      const script = { path: "block.sh", content };
      const short = await run("sh-block", script, more, { ip_address: "192.0.2.7" });
      expect(short).toMatchObject({ status: "SUCCEEDED", steps: [{ output: { ip: "192.0.2.7", duration_h: 24 } }] });
      const long = await run("sh-block-2", script, more, { ip_address: "192.0.2.7", duration_hours: 48 });
      expect(long).toMatchObject({ steps: [{ output: { duration_h: 48 } }] });
    },
  );
});
