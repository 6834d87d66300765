// What is particular to each command of Real Time Response; what they all have to do is in crowdstrike.test.ts.
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { quarantineFile } from "../../src/live-actions/vendors/crowdstrike-files.ts";
import { killProcess } from "../../src/live-actions/vendors/crowdstrike-processes.ts";
import { runScript } from "../../src/live-actions/vendors/crowdstrike-scripts.ts";
import { fileSha256 } from "./fakes/crowdstrike.ts";
import { request, tryFalcon } from "./try-falcon.ts";

describe("a command of Real Time Response", () => {
  const cases = [
    { adapter: quarantineFile, params: { file_path: "/tmp/evil" } },
    { adapter: killProcess, params: { pid: 4711 } },
    { adapter: runScript, params: { script_name: "x" } },
  ];

  test.each(cases)("$adapter.capability is not tried on a host that is away", async ({ adapter, params }) => {
    for (const offline of ["host", "batch"] as const) {
      const { fake, result } = await tryFalcon(adapter, params, { offline });
      expect(result).toMatchObject({ status: "FAILED", error: "target_unreachable" });
      expect(fake.commands).toEqual([]);
    }
  });

  test.each(cases)("$adapter.capability that was refused says why", async ({ adapter, params }) => {
    const command = { complete: false, errors: [{ code: 40412, message: "The file x could not be found" }] };
    const { result } = await tryFalcon(adapter, params, { command });
    expect(result).toMatchObject({ status: "FAILED", error: "script_not_found" });
    const refused = { complete: false, errors: [{ code: 50007, message: "could not get session" }] };
    expect((await tryFalcon(adapter, params, { command: refused })).result).toMatchObject({
      status: "FAILED",
      error: "command_refused",
      details: { message: "50007 could not get session" },
    });
  });

  test.each(cases)("$adapter.capability is asked for until the host has ended it", async ({ adapter, params }) => {
    const commandStates = [{ complete: false }, { complete: true, stdout: "done" }];
    const { result } = await tryFalcon(adapter, params, { command: { complete: false }, commandStates });
    expect(result).toMatchObject({
      status: "SUCCEEDED",
      completion: "confirmed",
      details: { response: { stdout: "done" } },
    });
  });

  test.each(cases)("$adapter.capability is only accepted where the host does not end it", async (trial) => {
    const { result } = await tryFalcon(trial.adapter, trial.params, { command: { complete: false } });
    expect(result).toMatchObject({ status: "SUCCEEDED", completion: "accepted" });
  });

  test("shows no part of a credential where its output is cut", async () => {
    const stdout = (secret: string) => `${"x".repeat(limits.vendorOutputLengthMax - 4)}${secret}`;
    const { fake } = await tryFalcon(runScript, { script_name: "x" });
    const secret = fake.credentials["cs_client_secret"] ?? "";
    const { result } = await tryFalcon(runScript, { script_name: "x" }, { command: { stdout: stdout(secret) } });
    expect(result?.details["response"]).toMatchObject({ stdout: expect.not.stringContaining(secret.slice(0, 4)) });
  });

  test("shows a part of long output", async () => {
    const { result } = await tryFalcon(runScript, { script_name: "x" }, { command: { stdout: "x".repeat(100_000) } });
    expect(JSON.stringify(result).length).toBeLessThan(20_000);
  });
});

describe("a file that Falcon takes away", () => {
  test("is in its cloud before it is removed from the host", async () => {
    const { fake, result } = await tryFalcon(quarantineFile, { file_path: "/tmp/evil 1" }, { looksUntilFetched: 3 });
    expect(fake.commands).toEqual([
      ["get", "/tmp/evil 1"],
      ["rm", "/tmp/evil 1"],
    ]);
    expect(result).toMatchObject({
      status: "SUCCEEDED",
      summary: expect.stringContaining("the host's copy is gone"),
      details: { sha256: fileSha256, size: 1234 },
    });
  });

  test("stays where it is when it can't be fetched", async () => {
    const missing = await tryFalcon(quarantineFile, { file_path: "/tmp/missing" });
    const slow = await tryFalcon(quarantineFile, { file_path: "/tmp/evil" }, { looksUntilFetched: 1_000 });
    for (const { fake, result } of [missing, slow]) {
      expect(result).toMatchObject({ status: "FAILED", error: "file_not_fetched" });
      expect(fake.commands.map(([command]) => command)).toEqual(["get"]);
    }
    expect(missing.result).toMatchObject({ details: { message: expect.stringContaining("Check your filename") } });
  });

  test("stays where it is when it is another one", async () => {
    const { fake, result } = await tryFalcon(quarantineFile, { file_path: "/tmp/evil", file_hash: "cd".repeat(32) });
    expect(result).toMatchObject({ status: "FAILED", error: "hash_mismatch", details: { sha256: fileSha256 } });
    expect(fake.commands.map(([command]) => command)).toEqual(["get"]);
    const same = await tryFalcon(quarantineFile, { file_path: "/tmp/evil", file_hash: fileSha256.toUpperCase() });
    expect(same.result).toMatchObject({ status: "SUCCEEDED" });
  });

  test("that stays on the host is said to be fetched only", async () => {
    const command = { stderr: "rm: Permission denied" };
    const { result } = await tryFalcon(quarantineFile, { file_path: "/tmp/evil" }, { command });
    expect(result).toMatchObject({
      status: "FAILED",
      error: "file_not_removed",
      details: { sha256: fileSha256, message: "rm: Permission denied" },
    });
  });

  test("is the target, or a parameter", async () => {
    const { fake } = await tryFalcon(quarantineFile, { hostname: "host-77" }, { target: "C:\\evil.exe" });
    expect(fake.commands.at(-1)).toEqual(["rm", "C:\\evil.exe"]);
    expect(quarantineFile.check?.(request)).toMatchObject({ error: "invalid_params" });
    expect(quarantineFile.check?.({ ...request, params: { hostname: "host-77" } })).toMatchObject({
      error: "invalid_target",
    });
  });

  test.each(["abc", "a".repeat(40), 7])("is not known by the hash %j", (file_hash) => {
    const params = { file_path: "/tmp/evil", file_hash };
    expect(quarantineFile.check?.({ ...request, params })).toMatchObject({ error: "invalid_params" });
  });

  test.each([
    ...["evil.exe", "-Force /etc", "..\\evil", "C:", "C:evil", "\\\\.\\PhysicalDrive0", "\\\\?\\C:\\x", "/", "$(id)"],
    ...["/tmp/*", "C:\\?", "C:\\dir\\", "/tmp/a`id`", "/tmp/a\nb", "/tmp/a\u0000", "/tmp/'\"", "/tmp/\ud800", "", 7],
  ])("can't be named %j", (file_path) => {
    expect(quarantineFile.check?.({ ...request, params: { file_path } })).toMatchObject({ error: "invalid_params" });
  });

  test.each([
    ...["C:\\Program Files (x86)\\a & b\\evil.exe", "/tmp/o'brien", "/tmp/a;id|b", "/tmp/$HOME", '/tmp/say "hi"'],
    ...["\\\\server\\share\\evil.exe", "c:/temp/evil", "/tmp/x' & whoami & echo '", "C:\\gnp\u202eexe.txt", "/tmp/ü😀"],
  ])("reaches the host as one word: %j", async (path) => {
    const { fake, result } = await tryFalcon(quarantineFile, { file_path: path });
    expect(result).toMatchObject({ status: "SUCCEEDED" });
    expect(fake.commands).toEqual([
      ["get", path],
      ["rm", path],
    ]);
  });
});

describe("a process that Falcon ends", () => {
  test.each([4711, "4711", 5, 4_294_967_295])("has the number %j", async (pid) => {
    const { fake } = await tryFalcon(killProcess, { pid });
    expect(fake.commands).toEqual([["kill", String(pid)]]);
  });

  test.each([undefined, null, "", "evil.exe", "1;id", "-9 5", "5 6", "0x5", 0, 1, 4, -5, 5.5, 2 ** 32, [5], true])(
    "is never %j",
    (pid) => {
      const params = pid === undefined ? {} : { pid };
      expect(killProcess.check?.({ ...request, params })).toMatchObject({ error: "invalid_params" });
    },
  );

  test("is still there where the host complains", async () => {
    const { result } = await tryFalcon(killProcess, { pid: 4711 }, { command: { stderr: "Access is denied" } });
    expect(result).toMatchObject({
      status: "FAILED",
      error: "command_failed",
      details: { message: "Access is denied" },
    });
  });
});

describe("a script that Falcon runs", () => {
  const words = async (params: JsonObject, platform = "Windows") => {
    const { fake, result } = await tryFalcon(runScript, params, { platform });
    return fake.commands[0] ?? result;
  };

  test("is in its cloud, or sent along, and never one within the other", async () => {
    expect(await words({ script_name: "o'brien's script" })).toEqual([
      ...["runscript", "-CloudFile=o'brien's script", "-Timeout=120"],
    ]);
    const script_content = "Get-Process |\n  Where Name -eq 'x' # \"y\" `n z\nrunscript -CloudFile='x'";
    expect(await words({ script_content })).toEqual(["runscript", `-Raw=${script_content}`, "-Timeout=120"]);
  });

  test.each([
    ...[{}, { script_name: "a", script_content: "b" }, { script_name: "" }, { script_content: "" }, { script_name: 7 }],
    ...[{ script_name: "a`b" }, { script_name: "a\nb" }, { script_name: "'\"" }, { script_name: "a".repeat(256) }],
    ...[{ script_content: "a```b" }, { script_content: "`a" }, { script_content: "a`" }, { script_content: "a\u0000" }],
  ])("is not %j", (params) => {
    expect(runScript.check?.({ ...request, params })).toMatchObject({ error: "invalid_params" });
  });

  test.each([
    ...[
      "-Name x' & whoami & echo '",
      "a; rm -rf /",
      "$(id)",
      "`id`",
      "a | b",
      "a > b",
      "a\nb",
      '{"Log":true}',
      "'a b'",
    ],
    ...["%TEMP%", "@x", "a,b", "\u201ca\u201d", 7, [7], ["a`b"], ["a\nb"], [["a"]], { a: 1 }],
  ])("takes no arguments like %j", (script_args) => {
    const params = { script_name: "x", script_args };
    expect(runScript.check?.({ ...request, params })).toMatchObject({ error: "invalid_params" });
  });

  test("takes a line of plain words, or none", async () => {
    const script_args = " -Path C:\\temp --force=1 ";
    expect(await words({ script_name: "x", script_args })).toContain("-CommandLine=-Path C:\\temp --force=1");
    for (const none of ["", "  ", [], null]) {
      expect(await words({ script_name: "x", script_args: none })).toEqual([
        ...["runscript", "-CloudFile=x", "-Timeout=120"],
      ]);
    }
  });

  test("takes arguments that its host's shell reads as they were", async () => {
    const script_args = ["-Path", "C:\\a b", "o'brien", "\u2019; whoami #", "$(id)", "", '{"Log":true}'];
    expect(await words({ script_name: "x", script_args })).toContain(
      `-CommandLine=-Path 'C:\\a b' 'o''brien' '\u2019\u2019; whoami #' '$(id)' '' '{"Log":true}'`,
    );
    for (const platform of ["Linux", "Mac"]) {
      expect(await words({ script_name: "x", script_args }, platform)).toContain(
        `-CommandLine=-Path 'C:\\a b' 'o'\\''brien' '\u2019; whoami #' '$(id)' '' '{"Log":true}'`,
      );
    }
  });

  test("is not run where its arguments can't be quoted for an unknown shell", async () => {
    expect(await words({ script_name: "x", script_args: ["a b"] }, "")).toMatchObject({ error: "platform_unknown" });
    expect(await words({ script_name: "x", script_args: ["-Force"] }, "")).toContain("-CommandLine=-Force");
  });

  test("has run whatever it wrote to stderr, and the result says so", async () => {
    const { result } = await tryFalcon(runScript, { script_name: "x" }, { command: { stderr: "oops" } });
    expect(result).toMatchObject({
      status: "SUCCEEDED",
      details: { response: { stderr: "oops" } },
      warnings: [expect.stringContaining("stderr")],
    });
  });

  test("is not shown by its content", async () => {
    const params = { script_content: "Set-Password hunter2" };
    const { result } = await tryFalcon(runScript, params);
    expect(JSON.stringify([result, runScript.preview({ ...request, params })])).not.toContain("hunter2");
  });
});
