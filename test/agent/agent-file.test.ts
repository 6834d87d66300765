import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { builtinModules } from "node:module";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAgentFile } from "../../src/agent-file.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { type AgentMachine, agentNode, createAgentMachine } from "./agent-process.ts";

describe("the agent's file", () => {
  let server: TestServer;
  let machine: AgentMachine;
  beforeAll(async () => {
    server = await startTestServer();
    machine = await createAgentMachine();
  });
  afterAll(async () => {
    await machine?.remove();
    await server?.close();
  });

  test("is served to everybody, with the SHA-256 that an enrolment tells, and is the same each time it is made", async () => {
    const response = await fetch(`${server.app.url}/opservant/agent.mjs`);
    const text = await response.text();
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/javascript; charset=utf-8"]);
    expect(response.headers.get("x-sha256")).toBe(createHash("sha256").update(text).digest("hex"));
    expect((await createAgentFile()()).sha256).toBe(response.headers.get("x-sha256"));
    const query = `mutation { createAgentEnrolment(input: { name: "site" }) {
      ... on CreateAgentEnrolmentPayload { agentFilePath agentFileSha256 } } }`;
    expect(await server.client().request(query)).toEqual({
      createAgentEnrolment: {
        agentFilePath: "/opservant/agent.mjs",
        agentFileSha256: response.headers.get("x-sha256"),
      },
    });
    const head = await fetch(`${server.app.url}/opservant/agent.mjs`, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(String(Buffer.byteLength(text)));
  });

  test("needs nothing but Node, and names whose work is in it", async () => {
    const { text } = await createAgentFile()();
    const imported = [...text.matchAll(/(?:^import .* from |\brequire\(|\bimport\()\s*"([^"]+)"/gm)].map(
      ([, name]) => name!,
    );
    expect(imported.length).toBeGreaterThan(10);
    expect(imported.filter((name) => !builtinModules.includes(name.replace(/^node:/, "")))).toEqual([]);
    const packages = [...text.matchAll(/^\/\/ .*\bnode_modules\/([^/]+)\//gm)].map(([, name]) => name);
    expect([...new Set(packages)].sort()).toEqual(["graphql-ws", "ws"]);
    const ours = [...text.matchAll(/^\/\/ src\/((\w+)\/.*)/gm)];
    expect(new Set(ours.map(([, , room]) => room))).toEqual(new Set(["agent", "core", "scripts"]));
    expect(ours.flatMap(([, file, room]) => (room === "core" ? [file] : [])).sort()).toEqual([
      ...["core/attempt-refused.ts", "core/json-values.ts", "core/json.ts", "core/process-status.ts"],
      "core/script-limits.ts",
    ]);
    expect(text.slice(0, 4_000)).toMatch(/Denis Badurina[\s\S]*Einar Otto Stangvik/);
  });

  test("tells how it is started, and what is wrong with how it was", async () => {
    expect(
      Number(execFileSync(agentNode, ["-p", "parseInt(process.versions.node)"], { encoding: "utf8" })),
    ).toBeGreaterThanOrEqual(20);
    const help = machine.start("--help");
    expect([await help.exited, help.said()]).toEqual([0, expect.stringContaining("NODE_EXTRA_CA_CERTS")]);
    const wrong = machine.start("--token", "x");
    expect([await wrong.exited, wrong.said()]).toEqual([2, expect.stringMatching(/^Say which server/)]);
    const version = machine.start("--version");
    expect([await version.exited, version.said()]).toEqual([0, "0.1.0\n"]);
    expect(await readdir(machine.directory)).toEqual(["agent.mjs"]);
  });

  test("says that the server can't be reached, and keeps the token for another try", async () => {
    const agent = machine.start("--server", "http://127.0.0.1:9", "--token", "x");
    expect(await agent.exited).toBe(1);
    expect(agent.said()).toMatch(/can't be reached: .*ECONNREFUSED.*The enrolment token is not used up/);
    expect(await readdir(machine.state)).not.toContain("agent.json");
  });
});
