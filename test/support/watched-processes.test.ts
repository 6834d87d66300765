import { readFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canary } from "../canary/forms.ts";
import { type ServerProcess, startServerProcess } from "../crash/server-process.ts";
import { allLeaks } from "./watched-leaks.ts";
import { watchedModules } from "./watched-modules.ts";

let directory: string;
let server: ServerProcess;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "riposte-watched-server-"));
  await chmod(directory, 0o755); // as root the database runs as another user, who has to get in
});
afterAll(async () => {
  await server?.kill();
  await rm(directory, { recursive: true, force: true });
});

async function start(): Promise<void> {
  server = await startServerProcess({ dataDirectory: path.join(directory, "data"), token: "watched-token-0123456789" });
}

async function put(name: "putSecret" | "putVariable", value: string): Promise<void> {
  const type = name === "putSecret" ? "PutSecretInput" : "PutVariableInput";
  const query = `mutation($input: ${type}!) { ${name}(input: $input) { __typename } }`;
  const answer = await server.client.request<Record<string, { __typename: string }>>(query, {
    input: { name: "kept", value },
  });
  expect(answer[name]?.__typename).toMatch(/Payload$/);
}

describe("a secret of a server in a process of its own", () => {
  test("is found in what it answered before it was killed, and in the database that it left", async () => {
    const value = canary("of another process");
    await start();
    await put("putSecret", value);
    expect(allLeaks()).toEqual([expect.stringMatching(/^nobody has read the database in .+\/data: /)]);
    await put("putVariable", value);
    await server.client.request("{ variables(first: 10) { edges { node { value } } } }");
    await server.kill();
    expect(allLeaks()).toEqual([
      expect.stringMatching(/^an answer \(process 1, connection \d+\) shows a secret: secret:kept/),
    ]);
    await start();
    expect(await server.stop()).toBe(0);
    expect(allLeaks()).toEqual([
      expect.stringMatching(/^the column variable\.value of process 2 shows a secret: secret:kept/),
    ]);
  });
});

test("what is watched is exported where it is looked for", () => {
  const modules = watchedModules({ secret: () => undefined, log: () => undefined, answer: () => undefined });
  for (const [name, exports] of Object.entries(modules)) {
    const text = readFileSync(path.join(import.meta.dirname, "../../src", name), "utf8");
    for (const key of Object.keys(exports)) {
      expect(text).toMatch(new RegExp(`^export (?:const|(?:async )?function) ${key}\\b`, "m"));
    }
  }
});
