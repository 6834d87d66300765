import { execFile } from "node:child_process";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { silentLog } from "../../src/core/log.ts";
import { builtinAdapters } from "../../src/live-actions/builtins.ts";
import { canary, formsOf } from "../canary/forms.ts";
import { createTestDatabase } from "./database.ts";
import { LeakFinder } from "./leak-finder.ts";
import { settingNames } from "./not-secret.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { leakWatch, mayBeAnswered } from "./watched-leaks.ts";

// Every leak of this file is on purpose: what a test has told, it takes out of the watch by `leaks()`, or the file fails.

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

async function mutate(name: string, type: string, input: object): Promise<void> {
  const query = `mutation($input: ${type}!) { ${name}(input: $input) { __typename } }`;
  const data = await server.client().request<Record<string, { __typename: string }>>(query, { input });
  expect(data[name]?.__typename).toMatch(/Payload$/);
}

const putSecret = (name: string, value: string) => mutate("putSecret", "PutSecretInput", { name, value });

describe("a secret that a test puts", () => {
  test("is found in a table", async () => {
    const value = canary("in a table");
    const database = await createTestDatabase();
    const em = database.orm.em.fork();
    await em.execute("create table odd (id uuid default gen_random_uuid(), texts text[], bytes bytea, document jsonb)");
    await em.execute("insert into odd (texts, bytes, document) values (?, ?, ?)", [
      "{other}",
      Buffer.from(`=${value}`),
      JSON.stringify({ nested: [JSON.stringify({ value })] }),
    ]);
    // Whenever it is put: the search comes last.
    await putSecret("kept", value);
    await database.close();
    const leaks = leakWatch.leaks();
    expect(leaks.map((leak) => leak.split(" (")[0])).toEqual([
      "the column odd.bytes shows a secret: secret:kept",
      "the column odd.document shows a secret: secret:kept",
    ]);
    expect(leaks.join()).not.toContain(value.slice(0, 6));
  });

  test.each(["debug", "info", "warn", "error"] as const)("is found in the log (%s)", async (level) => {
    const value = canary(`in the log, ${level}`);
    silentLog[level]({ error: new Error("odd"), told: { reason: `because of ${value}` } }, "odd.event");
    await putSecret(level, value);
    expect(leakWatch.leaks()).toEqual([expect.stringContaining(`the log shows a secret: secret:${level}`)]);
  });

  test("is found in an answer", async () => {
    const value = canary("in an answer");
    await putSecret("answered", value);
    await mutate("putVariable", "PutVariableInput", { name: "answered", value });
    expect(leakWatch.leaks()).toEqual([]);
    await server.client().request("{ variables(first: 10) { edges { node { value } } } }");
    expect(leakWatch.leaks()).toEqual([expect.stringMatching(/^an answer \(.+\) shows a secret: secret:answered/)]);
    await mutate("deleteVariable", "DeleteVariableInput", { name: "answered" });
  });

  test("is found in an event", async () => {
    const capability = canary("in an event").replaceAll(/\W/g, "").toLowerCase();
    await putSecret("told", capability);
    const stream = server.subscribe(
      server.adminToken,
      "subscription { liveActionUpdates { dispatch { capability } } }",
    );
    let isTold = false;
    const told = stream.next().then(() => (isTold = true));
    await expect
      .poll(async () => {
        await mutate("dispatchLiveAction", "LiveActionInput", { capability, target: "host", dryRun: true });
        return isTold;
      })
      .toBe(true);
    await told;
    await stream.return?.();
    expect(leakWatch.leaks()).toContainEqual(expect.stringMatching(/^an answer \(.+"capability\\":/));
    await server.orm.em.fork().execute("delete from live_action_dispatch");
    await server.orm.em.fork().execute("delete from audit_entry where operation = 'dispatchLiveAction'");
  });

  test("may be a token that somebody only tries", async () => {
    const token = canary("a token that is tried").replaceAll(/\W/g, "");
    silentLog.info({ authorization: `Bearer ${token}` }, "odd.event");
    await expect(server.client(token).request("{ viewer { name } }")).rejects.toThrow("UNAUTHENTICATED");
    expect(leakWatch.leaks()).toEqual([expect.stringMatching(/^the log shows a secret: token/)]);
  });

  test("may be a token, which is told once, by the operation that made it", async () => {
    const query = `mutation { createApiToken(input: {name: "mine", roles: ["viewer"]}) { ... on CreateApiTokenPayload { token } } }`;
    type Created = { createApiToken: { token: string } };
    const { createApiToken } = await server.client().request<Created>(query);
    expect(leakWatch.leaks()).toEqual([]);
    await mutate("putVariable", "PutVariableInput", { name: "token", value: createApiToken.token });
    await server.client().request("{ variables(first: 10) { edges { node { value } } } }");
    expect(leakWatch.leaks()).toEqual([expect.stringMatching(/shows a secret: token/)]);
    leakWatch.hear("another answer", JSON.stringify({ data: { createApiToken } }), mayBeAnswered);
    expect(leakWatch.leaks()).toEqual([expect.stringMatching(/^another answer shows a secret: token/)]);
    await mutate("deleteVariable", "DeleteVariableInput", { name: "token" });
  });
});

test("a file in which a secret is told fails, although its tests pass", async () => {
  const args = ["node_modules/vitest/vitest.mjs", "run", "--config", "test/support/leaks-on-purpose.config.ts"];
  const env = { ...process.env, TEST_SERVER: JSON.stringify(inject("testServer")), NO_COLOR: "1" };
  const { code, output } = await new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(process.execPath, args, { env }, (error, stdout, stderr) =>
      resolve({ code: error?.code, output: stdout + stderr }),
    );
  });
  expect(output).toContain("the column leaky.text shows a secret: secret:one");
  expect(output).toContain("the log shows a secret: secret:two");
  expect(output).toContain("the log of process 1 shows a secret: token");
  expect(output).toContain("what a leaky process prints (stdout 1) shows a secret: token");
  expect(output).toMatch(/Tests\s+2 passed/);
  expect(code).toBe(1);
});

describe("a finder", () => {
  const secret = { value: canary("in a text"), origin: "secret:one" };
  const finder = new LeakFinder();
  finder.add(secret);
  finder.add({ value: canary("of another one"), origin: "secret:two" });

  test.each(formsOf(secret.value))("finds a secret in each form, in a text and in JSON (%#)", (form) => {
    for (const at of [0, 1, 2, 3, 4, 99])
      expect(finder.find(`${"x".repeat(at)}${form}`)).toContainEqual({ secret, at });
    const text = `${"x".repeat(100)}${form}`;
    expect(finder.find(JSON.stringify({ text }))).toContainEqual({ secret, at: expect.any(Number) });
    expect(finder.find(text.slice(0, -1))).toEqual([]);
  });
});

test("what is taken for a setting is what adapters declare as one, and no secret of any of them", () => {
  const declared = builtinAdapters.flatMap(({ credentials }) => credentials);
  const namesOf = (isSecret: boolean) =>
    new Set(declared.filter((each) => each.isSecret === isSecret).map(({ name }) => name));
  expect(settingNames).toEqual([...namesOf(false)].sort());
  expect(settingNames.filter((name) => namesOf(true).has(name))).toEqual([]);
});
