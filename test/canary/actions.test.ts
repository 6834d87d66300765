import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CanaryWorld } from "./canary-world.ts";
import { canary, leaksIn, linesCanary, plainCanary } from "./forms.ts";
import { type EchoVendor, echoes, openEchoVendor } from "./vendor.ts";

// Beside test/runs/canary.test.ts (a given and a stored secret of one run), test/runs/sandbox.test.ts (a run in the sandbox) and
// test/actions/header-secrets.test.ts (what a header is made of): every way in, looked for in every place.

const named = canary("stored by its own name");
const referred = plainCanary("stored and referred to");
const header = plainCanary("stored for a header");
const given = canary("given with the call");
const lines = linesCanary("given with the call, in lines");
const secrets = [named, referred, header, given, lines];

const parameters = ["named_key", "referred_key", "given_key", "lined_key"].map((name) => ({
  name,
  type: "secret",
  required: true,
}));
const arguments_ = { referred_key: { $secret: "another-name" }, given_key: given, lined_key: lines };

const forms = readFileSync(new URL("./forms.ts", import.meta.url), "utf8");
/** Prints all that it is given: to stderr byte by byte, to stdout in odd pieces, in every form. */
const printer = `
import { readFileSync, writeSync } from "node:fs";
import { formsOf } from "./forms.ts";
const all = Object.values(JSON.parse(readFileSync(0, "utf8")));
const forms = all.flatMap((secret) => [...formsOf(secret), "x".repeat(8170) + secret]);
for (const form of forms) for (const byte of Buffer.from(form + "\\n")) writeSync(2, Buffer.from([byte]));
const title = readFileSync("/proc/self/cmdline", "utf8") + process.title;
const isInTitle = all.some((secret) => title.includes(secret));
const result = Buffer.from(JSON.stringify({ forms, isInTitle, [all[0]]: { all }, error: { code: all[1], message: "x".repeat(1990) + all[2] } }));
for (let at = 0; at < result.length; at += 7) writeSync(1, result.subarray(at, at + 7));
process.exit(1);
`;

let world: CanaryWorld;
let vendor: EchoVendor;

beforeAll(async () => {
  vendor = await openEchoVendor();
  world = await CanaryWorld.open();
  await world.mutate("putSecret", "secret { name }", { name: "named_key", value: named });
  await world.mutate("putSecret", "secret { name }", { name: "another-name", value: referred });
  await world.mutate("putSecret", "secret { name }", { name: "of-a-header", value: header });
});
afterAll(async () => {
  await world.close();
  vendor.close();
});

async function register(name: string, executor: object, files: readonly object[] = []): Promise<void> {
  const definition = {
    name,
    version: "1.0.0",
    type: "enrichment",
    description: "Tells what it is given.",
    parameters,
    executor,
  };
  await world.mutate("registerAction", "action { id }", { definition, files });
}

async function execute(ref: string, more: object = {}): Promise<string> {
  const input = { ref, parameters: arguments_, ...more };
  return (await world.mutate<{ run: { id: string } }>("executeAction", "run { id }", input)).run.id;
}

describe("secrets of an action", () => {
  test("that a script prints in every way are found nowhere", async () => {
    await register("print", { type: "local", target: "print.mjs" }, [
      { path: "print.mjs", content: printer },
      { path: "forms.ts", content: forms },
    ]);
    const id = await execute("print");
    const run = await world.ended(id);
    await world.heard(id);
    expect(run.status).toBe("FAILED");
    // The script came to its end, with an error of its own.
    expect(run.text).toMatch(/"isInTitle":false/);
    expect(run.text).toMatch(/"code":"\*\*\*"/);
    await world.expectClean(...secrets);
  });

  test("that a shell script shows in its arguments, trace and environment are found nowhere", async () => {
    const content = `set -x\nenv >&2\ntr '\\0' ' ' < /proc/$$/cmdline >&2\necho "$PARAM_GIVEN_KEY" | base64 >&2\nprintf '%s' "$PARAM_REFERRED_KEY"\n`;
    await register("trace", { type: "local", target: "trace.sh" }, [{ path: "trace.sh", content }]);
    const run = await world.ended(await execute("trace"));
    expect(run.status).toBe("SUCCEEDED");
    await world.expectClean(...secrets);
  });

  test.each(echoes)("that a vendor repeats (%s) are found nowhere", async (echo) => {
    await register(`echo-${echo}`, {
      ...{ type: "remote", target: `${vendor.origin}/${echo}` },
      headers: { Authorization: { $secret: "of-a-header" }, "X-Key": "{{ parameters.referred_key }}" },
    });
    const id = await execute(`echo-${echo}`);
    const run = await world.ended(id);
    expect(run.status).toBe(echo === "body" ? "SUCCEEDED" : "FAILED");
    await world.expectClean(...secrets);
  });

  test("reach whom they are for", () => {
    for (const secret of [referred, header]) expect(vendor.heard()).toContain(secret);
    for (const secret of [named, given, lines]) expect(vendor.heard()).toContain(JSON.stringify(secret).slice(1, -1));
  });

  test("are found nowhere when a playbook's steps hand them on", async () => {
    const source = `id: hand-on
name: Hand on
version: "1.0.0"
trigger: {event: manual}
steps:
  - {id: first, name: First, type: action, action_ref: hold, on_failure: continue, parameters: {given_key: {$secret: another-name}, lined_key: {$secret: of-a-header}, referred_key: {$secret: another-name}}}
  - {id: second, name: Second, type: action, action_ref: hold, on_failure: continue, parameters: {given_key: {$secret: another-name}, lined_key: {$secret: named_key}, referred_key: "{{ steps.first.error.message }}"}}`;
    await register("hold", { type: "remote", target: `${vendor.origin}/refusal` });
    await world.mutate("registerPlaybook", "playbook { id }", { source });
    const { run } = await world.mutate<{ run: { id: string } }>("executePlaybook", "run { id }", { key: "hand-on" });
    expect((await world.ended(run.id)).status).toBe("SUCCEEDED");
    await world.expectClean(...secrets);
  });

  test("are found nowhere while a run is under way, nor once it was cancelled", async () => {
    const content =
      "import { readFileSync } from 'node:fs';\nconsole.error(readFileSync(0, 'utf8'));\nsetInterval(() => {}, 1000);\n";
    await register("stay", { type: "local", target: "stay.mjs" }, [{ path: "stay.mjs", content }]);
    const id = await execute("stay");
    const ending = world.ended(id);
    const logs =
      "query($id: ID!) { run(id: $id) { events(first: 100) { edges { node { ... on LogEvent { text } } } } } }";
    await expect.poll(async () => JSON.stringify(await world.ask(logs, { id }))).toContain("***");
    await world.expectClean(...secrets);
    await world.mutate("cancelRun", "run { id }", { id, reason: "Seen." });
    expect((await ending).status).toBe("CANCELLED");
    await world.expectClean(...secrets);
  });

  test("of the wrong type, or in a wrong place, are not told back", async () => {
    const wrong = [{ v: given }, [given], { $secret: given, more: given }, [[{ a: given }]]];
    for (const value of wrong) {
      await world.ask(executeText, { input: { ref: "print", parameters: { ...arguments_, given_key: value } } });
      await world.ask(executeText, {
        input: { ref: "print", parameters: arguments_, sandbox: value, idempotencyKey: value },
      });
      await world.ask(executeText, { input: { ref: value, parameters: value } });
      await world.ask(executeText, { input: value });
      await world.ask(executeText, value);
    }
    await world.expectClean(given);
  });

  test("would be found, if they were anywhere", async () => {
    const context = { finding: { id: given } };
    const { run } = await world.mutate<{ run: { id: string } }>("executePlaybook", "run { id }", {
      key: "hand-on",
      context,
    });
    await world.ended(run.id);
    const places = await world.everything();
    const found = ["the database", "the answers", "the streams"].map(
      (place) => leaksIn(places.get(place) ?? "", [given]).length > 0,
    );
    expect(found).toEqual([true, true, true]);
  });
});

const executeText =
  "mutation($input: ExecuteActionInput!) { executeAction(input: $input) { __typename ... on Failure { code message } ... on ValidationFailure { issues { path message } } } }";
