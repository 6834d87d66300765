import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { type Log, silentLog } from "../../src/core/log.ts";
import { PluginOutput } from "../../src/live-actions/plugin-output.ts";
import { type PluginWorld, pluginWorld } from "./plugin-world.ts";

const token = "s3cret-t0ken";
let world: PluginWorld;
beforeAll(async () => {
  world = await pluginWorld("./good.ts", "bad.mjs");
});
afterAll(() => world.stop());

/** Waits until there were so many. */
async function logged(event: string, count = 1): Promise<void> {
  await vi.waitFor(() => expect(world.logged(event).length).toBeGreaterThanOrEqual(count), { timeout: 20_000 });
}

describe("a plugin", () => {
  test("adds its pairs to those of the product", () => {
    const found = world.registry.all().filter(({ source }) => source === "PLUGIN");
    expect(found.map(({ adapter, origin }) => [adapter.vendorId, adapter.capability, origin])).toEqual([
      ["bad", "get_host", "bad.mjs"],
      ["bad", "isolate_host", "bad.mjs"],
      ["good", "get_host", "./good.ts"],
      ["good", "isolate_host", "./good.ts"],
    ]);
    expect(world.registry.vendorsOf("isolate_host")).toContain("good");
    expect(world.registry.find("good", "isolate_host")?.adapter).toMatchObject({
      ...{ impact: "HIGH", costPerCall: 3, isIdempotent: false, timeoutMs: limits.pluginTimeoutMsDefault },
      credentials: [{ name: "good_token", isRequired: true, isSecret: true, description: "" }],
    });
    expect(world.registry.find("bad", "isolate_host")?.adapter.credentials).toMatchObject([{ isRequired: false }]);
    expect(world.registry.find("bad", "isolate_host")?.adapter.rollback).toBeUndefined();
  });

  test("is called with the request and its own credentials, which no result shows", async () => {
    expect(await world.call("good/isolate_host", "host-7", { credentials: { good_token: token } })).toEqual({
      ...{ status: "SUCCEEDED", error: null, summary: "Isolated host-7.", warnings: [] },
      details: {
        ...{ requestId: "req-1", target: "host-7", params: { note: "now" }, token: "***", completion: "confirmed" },
        ...{ vendorId: "good", capability: "isolate_host" },
      },
    });
  });

  test("previews without credentials, and is not executed for it", async () => {
    const { status, details } = await world.preview("good/isolate_host", "host-7");
    expect(status).toBe("SIMULATED");
    expect(details).toMatchObject({
      host: "host-7",
      params: { note: "now" },
      names: ["capability", "requestId", "vendorId"],
    });
    expect((await world.preview("good/get_host", "host-7")).details).toMatchObject({ target: "host-7" });
  });

  test("undoes what it did, by the details that were kept", async () => {
    const { status, details } = await world.call("good/isolate_host", "host-7", { undo: { id: "7" } });
    expect({ status, details }).toEqual({
      status: "SUCCEEDED",
      details: { undone: { status: "SUCCEEDED", details: { id: "7" } }, completion: "confirmed" },
    });
    const part = { id: "7", completion: "partial" };
    const ofPart = await world.call("good/isolate_host", "host-7", { undo: part });
    expect(ofPart.details).toMatchObject({ undone: { status: "FAILED", details: part } });
  });

  test("has nothing of the server's environment and arguments", async () => {
    expect((await world.call("good/get_host", "any")).details).toMatchObject({ env: [], argv: [], execArgv: [] });
  });

  test.each([
    ["throw", "VendorDown", "The vendor is down."],
    ["throwCode", "target_not_found", "No such host."],
    ["throwText", "Error", "just text"],
    ["throwOddly", "Error", "It threw what can't be read."],
    ["kill", "Error", "A plugin can't send signals to its server."],
    ["killByText", "Error", "A plugin can't send signals to its server."],
    ["killGroup", "Error", "A plugin can't send signals to its server."],
  ])("that does this: %s, fails with %s", async (deed, error, message) => {
    expect(await world.call("bad/isolate_host", deed)).toMatchObject({ status: "FAILED", error, summary: message });
  });

  test.each([
    ["nothing", "$ is undefined."],
    ["text", "It is no object."],
    ["list", "It is no object."],
    ["unknownStatus", "Its status is none of SUCCEEDED, SIMULATED and FAILED."],
    ["noSummary", "It has no summary."],
    ["listOfDetails", "Its details are no object."],
    ["cycle", "It is nested deeper than 64 levels, or holds itself."],
    ["function", "$.details.run is a function."],
    ["prototype", "$.details.at is no plain object: it has a prototype of its own."],
    ["endless", "$.details.count is NaN, which JSON can't say."],
    ["huge", "at most 1048576 are taken."],
    ["failOddly", "Of a failed one, its completion can only be partial."],
    ["oddWarnings", "Its warnings are no list of texts."],
  ])("that answers this: %s, has failed: %s", async (deed, problem) => {
    const { status, error, summary } = await world.call("bad/isolate_host", deed);
    expect([status, error]).toEqual(["FAILED", "plugin_answer_invalid"]);
    expect(summary).toContain(problem);
    expect(summary).toContain("Whether it took effect is unknown");
  });

  test("answers for the request that it was given, whatever ids it says", async () => {
    const { status, warnings } = await world.call("bad/isolate_host", "wrongIds");
    expect(status).toBe("SUCCEEDED");
    expect(warnings).toEqual(
      ["requestId", "vendorId", "capability"].map(
        (name) => `The plugin answered with another ${name}; the request's was taken.`,
      ),
    );
  });

  test("fails with the code that it says", async () => {
    const code = await world.call("bad/isolate_host", "fail");
    expect(code).toMatchObject({ status: "FAILED", error: "still_admitted", details: { rule: 7 } });
    const part = await world.call("bad/isolate_host", "failInPart");
    expect(part).toMatchObject({ status: "FAILED", error: "half", details: { completion: "partial" } });
    expect(await world.call("bad/isolate_host", "failPlainly")).toMatchObject({ error: "plugin_failed" });
  });

  test("shows no part of its credentials by what it throws, nor by its code", async () => {
    const given = { credentials: { bad_token: token } };
    const thrown = await world.call("bad/isolate_host", "throwSecret", given);
    expect(JSON.stringify(thrown)).not.toContain(token.slice(0, 4));
    expect((thrown.details as { message: string }).message.length).toBeLessThanOrEqual(limits.textLengthMax);
    expect((await world.call("bad/isolate_host", "failSecretly", given)).error).toBe("***");
  });

  test("prints to the log, in bounded lines without its credentials", async () => {
    await world.call("bad/isolate_host", "print", { credentials: { bad_token: token } });
    await logged("plugin.output", 2);
    const lines = world.logged("plugin.output");
    expect(lines).toContainEqual({ plugin: "bad.mjs", stream: "stdout", line: "token ***" });
    const long = lines.find(({ stream }) => stream === "stderr")?.["line"];
    expect(long).toBe(`${"x".repeat(limits.logLineBytesMax)} … [cut]`);
  });
});

describe("a call of a plugin", () => {
  test("that takes too long is told so, and ends nothing else", async () => {
    const ended = world.logged("plugin.ended").length;
    const other = world.call("bad/get_host", "waitForAbort");
    expect(await world.call("bad/isolate_host", "waitForAbort")).toMatchObject({ error: "vendor_timeout" });
    await expect.poll(() => world.logged("plugin.output")).toContainEqual(expect.objectContaining({ line: "aborted" }));
    expect(await world.call("bad/isolate_host", "succeed")).toMatchObject({ status: "SUCCEEDED" });
    expect(world.logged("plugin.ended")).toHaveLength(ended);
    expect(await world.call("bad/isolate_host", "exit")).toMatchObject({ error: "plugin_ended" });
    expect(await other).toMatchObject({ error: "plugin_ended" });
    await logged("plugin.restarted");
  });

  test("that loops ends with its thread and all that the plugin had to answer; the plugin is there again, and no other was hurt", async () => {
    const ended = world.logged("plugin.ended").length;
    const restarted = world.logged("plugin.restarted").length;
    const loop = world.call("bad/isolate_host", "loop");
    const stuck = world.call("bad/get_host", "succeed");
    // Answered while the other plugin loops.
    const beside = await world.call("good/isolate_host", "host-7", { credentials: { good_token: token } });
    expect(beside.status).toBe("SUCCEEDED");
    expect(world.logged("plugin.ended")).toHaveLength(ended);
    expect(await loop).toMatchObject({ status: "FAILED", error: "vendor_timeout" });
    const { error, summary } = await stuck;
    expect(error).toBe("plugin_ended");
    expect(summary).toContain("it did not answer");
    await logged("plugin.restarted", restarted + 1);
    expect(await world.call("bad/get_host", "succeed")).toMatchObject({ status: "SUCCEEDED" });
  });

  test.each([
    ["exit", "it ended with code 3"],
    ["throwLater", "it threw Error outside of a call"],
    ["fill", `it needed more than ${limits.pluginHeapMebibytesMax} MiB`],
    ["speak", "it sent a message of its own to the server"],
  ])("that does this: %s, fails with plugin_ended, and the next one finds the plugin again", async (deed, reason) => {
    const restarts = world.logged("plugin.restarted").length;
    const { status, error, summary } = await world.call("bad/get_host", deed);
    expect([status, error]).toEqual(["FAILED", "plugin_ended"]);
    expect(summary).toContain(reason);
    expect(world.logged("plugin.ended").at(-1)).toMatchObject({ plugin: "bad.mjs", reason });
    await logged("plugin.restarted", restarts + 1);
    expect(await world.call("bad/get_host", "succeed")).toMatchObject({ status: "SUCCEEDED" });
  });

  // Each in a server of its own: one that ends often is started again later each time.
  test.each([
    ["hoard", `it needed more than ${limits.pluginBuffersMebibytesMax} MiB of buffers`],
    ["pong", "it sent a message of its own to the server"],
    ["answerAgain", "it sent a message of its own to the server"],
  ])("that does this: %s, fails with plugin_ended", async (deed, reason) => {
    const own = await pluginWorld("bad.mjs");
    onTestFinished(() => own.stop());
    const { status, error, summary } = await own.call("bad/get_host", deed);
    expect([status, error]).toEqual(["FAILED", "plugin_ended"]);
    expect(summary).toContain(reason);
  });

  test("that hangs in a preview is a failed result", async () => {
    expect(await world.preview("bad/isolate_host", "wait")).toMatchObject({
      status: "FAILED",
      error: "plugin_timeout",
    });
  });

  test("is given up when the server stops", async () => {
    const stopping = new AbortController();
    const call = world.call("bad/get_host", "wait", { stopping: stopping.signal });
    stopping.abort();
    expect(await call).toMatchObject({ status: "FAILED", error: "effect_unknown" });
  });

  test("reaches nobody once the plugins were stopped", async () => {
    const own = await pluginWorld("good.ts");
    await own.stop();
    expect(await own.call("good/get_host", "any")).toMatchObject({ status: "FAILED", error: "plugin_unavailable" });
    expect(own.logged("plugin.restarted")).toEqual([]);
  });

  test("finds the plugin again once its module can be used again", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "riposte-plugin-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = path.join(directory, "plugin.mjs");
    const module = (capability: string, execute: string) => `export const setup = ({ registerExecutor }) =>
      registerExecutor({ vendorId: "own", capability: "${capability}", description: "Of a test.", execute: ${execute} });`;
    await writeFile(file, module("get_host", "() => process.exit(1)"));
    const own = await pluginWorld(file);
    onTestFinished(() => own.stop());
    await writeFile(file, module("notify", "() => undefined"));
    expect(await own.call("own/get_host", "any")).toMatchObject({ error: "plugin_ended" });
    await vi.waitFor(() => expect(own.logged("plugin.not_restarted").length).toBeGreaterThan(0), { timeout: 20_000 });
    const [{ problem } = {}] = own.logged("plugin.not_restarted");
    expect(problem).toBe("it does not register own/get_host any more.");
    await writeFile(file, module("get_host", '() => ({ status: "SUCCEEDED", summary: "Found." })'));
    await vi.waitFor(() => expect(own.logged("plugin.restarted")).toHaveLength(1), { timeout: 20_000 });
    expect(await own.call("own/get_host", "any")).toMatchObject({ status: "SUCCEEDED" });
  });
});

describe("the output of a plugin", () => {
  test("is bounded by lines and time, and masked across chunks", async () => {
    const lines: string[] = [];
    const log = { ...silentLog, info: ({ line }: { line: string }) => void lines.push(line) } as unknown as Log;
    const output = new PluginOutput("talker", log);
    output.hide([token]);
    const stream = Readable.from([
      `a ${token.slice(0, 5)}`,
      `${token.slice(5)} b\r\n`,
      "line\n".repeat(limits.pluginLogLinesMax),
    ]);
    output.read(stream, "stdout");
    await finished(stream);
    expect(lines).toHaveLength(limits.pluginLogLinesMax);
    expect(lines[0]).toBe("a *** b");
  });
});
