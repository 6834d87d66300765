import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "../src/config.ts";
import { startLocalScripts } from "../src/local-scripts.ts";
import { hostIsolation, scriptCall } from "./executors/scripts.ts";

describe("the local scripts of a server", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "riposte-local-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function start(isAlone: boolean, settings: Record<string, string> = {}) {
    const events: string[] = [];
    const warn = (_fields: object, event?: string) => void events.push(event ?? "");
    const log = { debug: () => {}, info: () => {}, warn, error: warn };
    const config = readConfig({ DATA_DIR: directory, ...settings });
    const scripts = await startLocalScripts({ config, log: log as never, isAlone });
    const lines: string[] = [];
    const outcome = await scripts.execute({
      call: scriptCall("a.sh", "echo 1"),
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
