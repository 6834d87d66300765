import { once } from "node:events";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "../src/config.ts";
import { silentLog } from "../src/core/log.ts";
import { startLocalScripts } from "../src/local-scripts.ts";
import { hostIsolation, noIsolation, scriptCall } from "./executors/scripts.ts";

describe("the local scripts of a server", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "riposte-local-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function start(isAlone: boolean, settings: Record<string, string> = {}, call = scriptCall("a.sh", "echo 1")) {
    const events: string[] = [];
    const warn = (_fields: object, event?: string) => void events.push(event ?? "");
    const log = { debug: () => {}, info: () => {}, warn, error: warn };
    const config = readConfig({ DATA_DIR: directory, ...settings });
    const scripts = await startLocalScripts({ config, log: log as never, isAlone });
    const lines: string[] = [];
    const outcome = await scripts.execute({
      call,
      ...{ idempotencyKey: "k", timeoutMs: 20_000, signal: new AbortController().signal, secrets: [] },
      onLog: (_stream, text) => lines.push(text),
    });
    return { scripts, events, outcome, lines };
  }

  test("are isolated where the host can, and else run with a warning or are refused, by the database", async () => {
    const { lack } = await hostIsolation();
    const alone = await start(true);
    const shared = await start(false);
    expect(alone.scripts.sandboxRefusal()?.reason).toBe(lack?.reason);
    expect(alone.outcome).toEqual({ status: "SUCCEEDED", output: 1 });
    if (lack) {
      expect([alone.events, shared.events]).toEqual([["isolation.unavailable"], ["isolation.unavailable"]]);
      expect(alone.lines).toEqual([expect.stringContaining("runs without isolation")]);
      expect(shared.outcome).toMatchObject({ status: "FAILED", error: { code: "isolation_unavailable" } });
    } else {
      expect([alone.lines, shared.lines]).toEqual([[], []]);
      expect(shared.outcome).toEqual({ status: "SUCCEEDED", output: 1 });
    }
  });

  test("are not isolated where the operator says so, which the log says once", async () => {
    const { events, outcome, lines, scripts } = await start(false, { LOCAL_ISOLATION: "off" });
    expect([events, lines]).toEqual([["isolation.off"], []]);
    expect(outcome).toEqual({ status: "SUCCEEDED", output: 1 });
    // The sandbox has what the host has all the same.
    expect(scripts.sandboxRefusal() === undefined).toBe((await hostIsolation()).kind !== "none");
  });

  test("reach nothing by network where the operator says so, or do not start where the host can't keep them from it", async () => {
    const { lack } = await hostIsolation();
    const settings = { LOCAL_NETWORK: "none", LOCAL_ISOLATION: "preferred" };
    const listener = createServer((socket) => socket.on("error", () => {}).end()).listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    const connect = `require("node:net").connect(${port}, "127.0.0.1").on("connect", () => console.log(1)).on("error", ({ code }) => console.log(JSON.stringify(code)))`;
    const reach = scriptCall("a.js", connect);
    try {
      expect((await start(true, { EGRESS_ALLOW: "127.0.0.1" }, reach)).outcome).toMatchObject({ output: 1 });
      if (lack) await expect(start(true, settings, reach)).rejects.toThrow(lack.reason);
      else {
        const { outcome } = await start(true, settings, reach);
        expect(outcome).toMatchObject({ status: "SUCCEEDED", output: expect.stringMatching(/^E[A-Z]+$/) });
      }
    } finally {
      listener.close();
    }
    const refused = startLocalScripts({
      ...{ config: readConfig({ DATA_DIR: directory, ...settings }), log: silentLog, isAlone: true },
      isolation: noIsolation,
    });
    await expect(refused).rejects.toThrow(
      /^LOCAL_NETWORK=none .* This is a test\. End it\. Or .* LOCAL_NETWORK=host\.$/,
    );
  });

  test("do not start with a path for scripts that holds the server's own data, lies in it or leads there", async () => {
    const elsewhere = await mkdtemp("/var/lib/riposte-data-").catch(() => directory);
    const link = `${elsewhere}-link`;
    try {
      await symlink(elsewhere, link);
      await writeFile(path.join(elsewhere, "secrets.key"), "");
      for (const LOCAL_PATHS of [elsewhere, path.join(elsewhere, "secrets.key"), link, path.join(link, "secrets.key")])
        await expect(start(true, { DATA_DIR: elsewhere, LOCAL_PATHS })).rejects.toThrow("Scripts cannot be let read");
    } finally {
      await rm(link, { force: true });
      await rm(elsewhere, { recursive: true, force: true });
    }
  });
});
