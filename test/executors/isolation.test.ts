import { existsSync, mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { probeIsolation } from "../../src/executors/isolation.ts";
import { lackOn } from "../../src/executors/isolation-lack.ts";
import { productionIsolation, warningOf } from "../../src/executors/isolation-policy.ts";
import { type Findings, faultIn } from "../../src/executors/isolation-trial.ts";
import { isNoexec, mountsBelow } from "../../src/executors/mount-table.ts";
import { createScriptUsers } from "../../src/executors/script-users.ts";
import { hostIsolation, noIsolation, outputOf, runLocal, scriptCall } from "./scripts.ts";

const directory = mkdtempSync(join(tmpdir(), "riposte-isolation-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const workDirectory = join(directory, "data/work");
const canIsolate = (await hostIsolation()).kind !== "none";
const script = scriptCall("a.sh", "echo '{\"ran\": true}'");

describe("a host that cannot isolate", () => {
  test("refuses a script in the sandbox, with the reason and the remedy, and runs nothing", async () => {
    const { outcome, lines } = await runLocal(script, { isolation: noIsolation, sandbox: true });
    const error = { code: "sandbox_unavailable", message: "This is a test. End it." };
    expect(outcome).toEqual({ status: "FAILED", error, commands: [] });
    expect(lines).toEqual([]);
  });

  test("refuses a script in production where isolation is required, and says how not to", async () => {
    const { outcome, lines } = await runLocal(script, { isolation: noIsolation, production: "required" });
    const message = expect.stringContaining(
      "This is a test. End it. Or let scripts run unprotected, by LOCAL_ISOLATION=preferred.",
    );
    expect(outcome).toEqual({ status: "FAILED", error: { code: "isolation_unavailable", message } });
    expect(lines).toEqual([]);
  });

  test("runs it otherwise, and its log says that it was not isolated", async () => {
    const preferred = await runLocal(script, { isolation: noIsolation, production: "preferred" });
    expect(preferred.outcome).toEqual({ status: "SUCCEEDED", output: { ran: true } });
    expect(preferred.lines).toEqual(["SYSTEM This script runs without isolation. This is a test. End it."]);
    const off = await runLocal(script, { isolation: noIsolation, production: "off" });
    expect(off).toMatchObject({ outcome: { status: "SUCCEEDED" }, lines: [] });
  });
});

describe("the probe", () => {
  test("answers what this host has, and a refusal exactly where that is nothing", async () => {
    const isolation = await hostIsolation();
    expect(isolation.lack === undefined).toBe(isolation.kind !== "none");
    expect(isolation.enclose() === undefined).toBe(isolation.kind === "none");
    const { outcome, lines } = await runLocal(script, { isolation, sandbox: true });
    expect(lines).toEqual([]);
    if (isolation.kind === "none") expect(outcome).toMatchObject({ error: { code: "sandbox_unavailable" } });
    else expect(outcome).toMatchObject({ status: "SUCCEEDED", output: { ran: true }, commands: [{ exitCode: 0 }] });
  });

  test.runIf(process.platform === "linux")("finds nothing where no program for it is installed (Linux)", async () => {
    const isolation = await probeIsolation({ workDirectory, path: join(directory, "empty") });
    expect(isolation).toMatchObject({ kind: "none", gaps: [] });
    expect(isolation.lack?.reason).toContain("bwrap is not installed; unshare is not installed");
    expect(isolation.lack?.remedy).toContain("Install bubblewrap");
  });

  test("believes no isolation that does not keep every promise", () => {
    const namespaces = { pid: "pid:[1]", mnt: "mnt:[1]", ipc: "ipc:[1]", net: "net:[1]" };
    const kept: Findings = {
      ...{ uid: 65_534, pid: 9, reached: false, seen: [], written: [], hasTemporary: true, namespaces },
      ...{ effective: "0000000000000000", locked: "1", shell: 7 },
    };
    expect(faultIn(kept, undefined)).toBeUndefined();
    expect(faultIn({ ...kept, uid: 5 }, 5)).toBeUndefined();
    const broken: Partial<Findings>[] = [
      ...[{ seen: ["/srv/data"] }, { written: ["/etc"] }, { hasTemporary: false }, { reached: true }, { pid: 70_000 }],
      ...[{ uid: 0 }, { effective: "000001ffffffffff" }, { locked: "0" }, { shell: null }],
    ];
    const own = existsSync("/proc/self/ns/net") ? { net: readlinkSync("/proc/self/ns/net") } : undefined;
    if (own) broken.push({ namespaces: { ...namespaces, ...own } });
    expect(broken.filter((part) => faultIn({ ...kept, ...part }, undefined) === undefined)).toEqual([]);
    expect(faultIn(kept, 5)).toBe("scripts would run as user 65534");
  });

  test("does not let scripts read what they are to be kept from", async () => {
    for (const path of ["/", "tools", directory, join(workDirectory, "x"), "/proc", "/tmp/tools", "/etc", "/a:b"]) {
      await expect(probeIsolation({ workDirectory, readable: [path] })).rejects.toThrow("Scripts cannot be let read");
    }
  });

  test.runIf(canIsolate && process.getuid?.() === 0).each(["bubblewrap", "unshare"] as const)(
    "hides the server's data where it lies in what scripts may read, by %s",
    async (kind) => {
      const dataDirectory = await mkdtemp("/usr/local/riposte-data-");
      try {
        await writeFile(join(dataDirectory, "secrets.key"), "s3cret", { mode: 0o644 });
        await chmod(dataDirectory, 0o755);
        const isolation = await probeIsolation({
          workDirectory: join(dataDirectory, "work"),
          dataDirectory,
          kinds: [kind],
        });
        const has = (await hostIsolation(kind)).kind;
        expect(isolation.kind).toBe(has);
        if (has === "none") return;
        const look = `console.log(JSON.stringify(require("node:fs").readdirSync("${dataDirectory}")));`;
        expect(await outputOf(scriptCall("a.js", look), { isolation })).toEqual([]);
      } finally {
        await rm(dataDirectory, { recursive: true, force: true });
      }
    },
  );

  test.runIf(canIsolate)("lets scripts read what the operator names, and not write it", async () => {
    const look = `
      import fs from "node:fs";
      const write = () => { try { fs.writeFileSync("/var/lib/x", ""); return true; } catch { return false; } };
      console.log(JSON.stringify([fs.existsSync("/var/lib"), write()]));`;
    const isolation = await probeIsolation({ workDirectory, readable: ["/var/lib"] });
    expect(await outputOf(scriptCall("a.mjs", look), { isolation })).toEqual([true, false]);
    expect(await outputOf(scriptCall("a.mjs", look))).toEqual([false, false]);
  });
});

describe("what an operator is told", () => {
  test("is required with a database that others may share, unless the setting says otherwise", () => {
    expect(productionIsolation("auto", { isEmbedded: true })).toBe("preferred");
    expect(productionIsolation("auto", { isEmbedded: false })).toBe("required");
    for (const setting of ["required", "preferred", "off"] as const)
      expect(productionIsolation(setting, { isEmbedded: false })).toBe(setting);
  });

  test("is required whatever the setting says where scripts are to have no network", () => {
    for (const setting of ["auto", "required", "preferred", "off"] as const)
      expect(productionIsolation(setting, { isEmbedded: true, network: "none" })).toBe("required");
  });

  test("is a warning where scripts are not isolated as they could be, and nothing where they are", () => {
    const good = { ...noIsolation, kind: "unshare" as const, lack: undefined };
    const { lack: _none, ...isolating } = { ...good };
    expect(warningOf({ isolation: isolating, production: "required" })).toBeUndefined();
    expect(warningOf({ isolation: isolating, production: "off" })?.event).toBe("isolation.off");
    expect(warningOf({ isolation: { ...isolating, gaps: ["fly"] }, production: "required" })?.advice).toContain(
      "cannot fly",
    );
    expect(warningOf({ isolation: noIsolation, production: "required" })?.advice).toContain(
      "Local actions are refused.",
    );
    expect(warningOf({ isolation: noIsolation, production: "preferred" })?.advice).toContain(
      "Scripts run unprotected.",
    );
  });

  test.each([
    ["is not Linux", "darwin", {}, "Run the server on Linux"],
    ["is a container", "linux", { "/.dockerenv": "" }, "--security-opt seccomp=unconfined"],
    [
      "is a Debian of old",
      "linux",
      { "/proc/sys/kernel/unprivileged_userns_clone": "0\n" },
      "unprivileged_userns_clone=1",
    ],
    ["has no user namespaces", "linux", { "/proc/sys/user/max_user_namespaces": "0\n" }, "max_user_namespaces=10000"],
    ["is Ubuntu", "linux", { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n" }, "AppArmor"],
    ["is another", "linux", {}, "Install bubblewrap, and"],
  ] as const)("is how to help it where the host %s", (_name, platform, files: Record<string, string>, remedy) => {
    const lack = lackOn({ platform, failures: ["unshare: no"], read: (path) => files[path] });
    expect(lack.remedy).toContain(remedy);
    expect(lack.reason).toMatch(/\.$/);
  });
});

describe("the users of scripts", () => {
  test("are of the large unused range, another for each script at a time", () => {
    const users = createScriptUsers("         0          0 4294967295\n", 70_000);
    expect([users?.first, users?.count]).toEqual([1_900_000_000 + (70_000 % 65_536) * 1_024, 1_024]);
    const taken = Array.from({ length: 1_024 }, () => users?.take());
    expect(new Set(taken.map((user) => user?.uid)).size).toBe(1_024);
    taken[5]?.release();
    expect(users?.take().uid).toBe(taken[5]?.uid);
  });

  test("are of the small one in a container that knows no more, and none where it knows none", () => {
    const users = createScriptUsers("0 100000 65536", 7);
    expect([users?.first, users?.count, users?.take().uid]).toEqual([60_578, 606, 60_585]);
    expect(createScriptUsers("0 1000 1", 7)).toBeUndefined();
    expect(createScriptUsers("", 7)).toBeUndefined();
  });
});

test("what is mounted where is read as the kernel lays it over", () => {
  const mounts = [
    { place: "/", isNoexec: false },
    { place: "/usr", isNoexec: false },
    { place: "/usr/local", isNoexec: true },
    { place: "/usr/local/share", isNoexec: false },
  ];
  expect(
    ["/usr/bin", "/usr/local", "/usr/local/bin", "/usr/locals", "/usr/local/share/x"].map((path) =>
      isNoexec(mounts, path),
    ),
  ).toEqual([false, true, true, false, false]);
  expect(mountsBelow(mounts, "/usr")).toEqual(["/usr/local", "/usr/local/share"]);
});
