import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { type Given, hostIsolations, outputOf, runLocal, scriptCall } from "./scripts.ts";

const isolations = await hostIsolations();
const isRoot = process.getuid?.() === 0;
const canary = "canary-of-the-server-7f1c";

/** Connects, and tells how that went: `connected` or the error's code. */
const connect = `
import net from "node:net";
const connect = (to) => new Promise((resolve) => {
  const socket = net.connect(to);
  const end = (how) => { socket.destroy(); resolve(how); };
  socket.on("connect", () => end("connected")).on("error", ({ code }) => end(code)).setTimeout(3000, () => end("timeout"));
});`;

describe.each(isolations)("a script isolated by $kind", (isolation) => {
  const directory = mkdtempSync(join(tmpdir(), "riposte-walls-"));
  const listeners: Server[] = [];
  let port = 0;
  beforeAll(async () => {
    process.env["RIPOSTE_TEST_CANARY"] = canary;
    writeFileSync(join(directory, "data"), canary);
    for (const place of [{ path: join(directory, "socket") }, { port: 0, host: "127.0.0.1" }]) {
      const server = createServer((socket) => socket.on("error", () => {}).end(canary)).listen(place);
      await new Promise((resolve) => server.once("listening", resolve));
      listeners.push(server);
      const address = server.address();
      if (typeof address === "object" && address) ({ port } = address);
    }
  });
  afterAll(() => {
    delete process.env["RIPOSTE_TEST_CANARY"];
    for (const server of listeners) server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const run = (script: string, given: Record<string, Json> = {}, how: Given = {}): Promise<Json> =>
    outputOf(
      scriptCall(
        "a.mjs",
        `import fs from "node:fs";\nconst given = JSON.parse(fs.readFileSync(0, "utf8"));\n${connect}\n${script}`,
        { arguments: given },
      ),
      { isolation, production: "required", ...how },
    );

  test("sees no process but its own, and nothing of the server's", async () => {
    const script = `
      const pids = fs.readdirSync("/proc").filter((name) => /^\\d+$/.test(name));
      const read = (pid, name) => { try { return fs.readFileSync("/proc/" + pid + "/" + name, "utf8"); } catch { return ""; } };
      const texts = pids.filter((pid) => pid !== String(process.pid)).flatMap((pid) => [read(pid, "cmdline"), read(pid, "environ")]);
      const signal = (pid) => { try { process.kill(pid, 0); return "reached"; } catch ({ code }) { return code; } };
      console.log(JSON.stringify({ count: pids.length, seen: texts.filter((text) => given.hidden.some((word) => text.includes(word))), server: signal(given.pid) }));`;
    const found = await run(script, { hidden: [canary, "vitest", directory, "riposte-test-"], pid: process.pid });
    expect(found).toMatchObject({ seen: [], server: "ESRCH" });
    expect((found as { count: number }).count).toBeLessThan(10);
  });

  test("reads neither the server's data nor its sockets, nor what other scripts have", async () => {
    const script = `
      const read = (path) => { try { return fs.statSync(path).isDirectory() ? fs.readdirSync(path).join() : fs.readFileSync(path, "latin1"); } catch ({ code }) { return code; } };
      console.log(JSON.stringify({ read: given.paths.map(read), socket: await connect({ path: given.socket }), root: fs.readdirSync("/"), tmp: fs.readdirSync("/tmp") }));`;
    const paths = [
      directory,
      join(directory, "data"),
      "/etc/shadow",
      "/var/lib",
      `/proc/1/root${directory}`,
      "/proc/1/environ",
    ];
    const socket = join(directory, "socket");
    const found = (await run(script, { paths, socket })) as Record<string, string[] | string>;
    expect(found["read"]).toEqual([
      ...Array<string>(4).fill("ENOENT"),
      expect.stringMatching(/^E/),
      expect.any(String),
    ]);
    expect((found["read"] as string[])[5]).not.toContain(canary);
    expect(found["socket"]).toBe("ENOENT");
    expect(found["tmp"]).toEqual([]);
    expect(found["root"]).not.toContain("home");
  });

  test("writes to its own directory and /tmp only, and nothing of that is left", async () => {
    const script = `
      const write = (path) => { try { fs.writeFileSync(path + "/x", "x"); return true; } catch { return false; } };
      console.log(JSON.stringify(given.paths.filter(write)));`;
    const paths = [
      "/",
      "/usr",
      "/usr/bin",
      "/etc",
      "/dev",
      "/opt/riposte/bin",
      "/proc/sys/kernel",
      "/var",
      "/run",
      "/source",
    ];
    const own = ["/tmp", "/var/tmp", "/dev/shm", "/attempt", "."];
    expect(await run(script, { paths: [...paths, ...own] })).toEqual(own);
    expect(await run(`console.log(JSON.stringify(fs.readdirSync("/tmp")))`)).toEqual([]);
  });

  test("fills no memory of the host by way of its parameters, and reads them by name", async () => {
    const fill = `
      const write = (path) => {
        try {
          const file = fs.openSync(path, "w");
          try {
            const chunk = Buffer.alloc(8 * 1024 * 1024);
            for (let written = 0; written < 300 * 1024 * 1024; written += chunk.length) fs.writeSync(file, chunk);
            return "filled";
          } finally { fs.ftruncateSync(file); fs.closeSync(file); }
        } catch ({ code }) { return code; }
      };
      const read = (() => { try { return fs.readFileSync("/dev/stdin", "utf8").length; } catch ({ code }) { return code; } })();
      const parents = fs.readdirSync("/proc").filter((name) => /^\\d+$/.test(name));
      const places = ["self", ...parents].flatMap((pid) => {
        try { return fs.readdirSync("/proc/" + pid + "/fd").map((name) => "/proc/" + pid + "/fd/" + name); } catch { return []; }
      }).filter((path) => { try { return fs.statSync(path).isFile(); } catch { return false; } });
      const memory = places.filter((path) => fs.readlinkSync(path).startsWith("/dev/shm"));
      console.log(JSON.stringify({ read, memory, how: write("/proc/self/fd/0") }));`;
    const found = await run(fill, { text: "x" });
    expect(found).toEqual({ read: 12, memory: [], how: expect.stringMatching(/^(ENOSPC|EACCES)$/) });
  });

  test("is an unprivileged user that cannot become another", async () => {
    const script = `
      import { spawnSync } from "node:child_process";
      const status = fs.existsSync("/proc/self") ? fs.readFileSync("/proc/self/status", "utf8") : "NoNewPrivs: 1\\nCapEff: 0000000000000000";
      const tries = [["su", "-c", "id"], ["unshare", "--user", "--map-root-user", "id"], ["mount", "-t", "tmpfs", "x", "/tmp"], ["chroot", "/", "id"], ["nsenter", "--target", "1", "--mount", "id"]];
      console.log(JSON.stringify({
        uid: process.getuid(), groups: process.getgroups().length, locked: /NoNewPrivs:\\s*(\\d)/.exec(status)[1], effective: /CapEff:\\s*(\\w+)/.exec(status)[1],
        done: tries.filter(([program, ...args]) => spawnSync(program, args, { stdio: "ignore" }).status === 0).map(([program]) => program),
      }));`;
    const found = (await run(script)) as { uid: number };
    expect(found).toMatchObject({ locked: "1", effective: "0000000000000000", done: [] });
    expect(found.uid).not.toBe(0);
    if (isRoot) expect(found.uid).toBeGreaterThan(60_000);
  });

  test("holds no process of its enclosure by ptrace or signals", async () => {
    const script = `
      const attempts = { memory: () => fs.openSync("/proc/1/mem", "r+"), files: () => fs.readdirSync("/proc/1/fd"), end: () => process.kill(1, "SIGKILL") };
      const how = Object.entries(attempts).map(([name, go]) => { try { go(); return name; } catch ({ code }) { return code; } });
      setTimeout(() => console.log(JSON.stringify(how)), 50);`;
    const found = (await run(script)) as string[];
    // By bubblewrap for an unprivileged server, the first process is the script's own user. A signal to it does nothing, as one can see.
    if (isRoot || isolation.kind === "unshare") expect(found).not.toContain("memory");
    expect(found).toHaveLength(3);
  });

  test("has the host's network in production unless the operator says otherwise, and none at all in the sandbox", async () => {
    const script = `
      import os from "node:os";
      const reached = await Promise.all([connect({ port: given.port, host: "127.0.0.1" }), connect({ port: 80, host: "169.254.169.254" }), connect({ port: 443, host: "192.0.2.1" })]);
      console.log(JSON.stringify({ reached, outside: Object.values(os.networkInterfaces()).flat().filter(({ internal }) => !internal).length }));`;
    expect(
      await run("console.log(JSON.stringify(await connect({ port: given.port, host: '127.0.0.1' })))", { port }),
    ).toBe("connected");
    for (const how of [{ sandbox: true }, { network: "none" }] as const) {
      const found = (await run(script, { port }, how)) as { reached: string[]; outside: number };
      expect(found.outside).toBe(0);
      expect(found.reached).not.toContain("connected");
      expect(found.reached).not.toContain("timeout");
    }
  });

  test("tells in the sandbox which command ran, with secrets masked and its exit code", async () => {
    const call = scriptCall("a.sh", 'echo "$PARAM_KEY" >&2; echo "{\\"n\\": $#}"; exit 4', {
      arguments: { text: "it's s3cret-value", key: "s3cret-value" },
      parameterNames: ["text", "key"],
      secretNames: new Set(["key"]),
    });
    const { outcome, lines } = await runLocal(call, { isolation, sandbox: true, secrets: ["s3cret-value"] });
    expect(outcome).toMatchObject({ status: "FAILED", output: { n: 1 }, commands: [{ exitCode: 4 }] });
    expect(outcome.commands?.[0]?.command).toMatch(/bash \.\/a\.sh 'it'\\''s \*\*\*'$/);
    expect(lines).toEqual(["STDERR ***"]);
  });

  test("shares neither /tmp nor its directory with scripts that run beside it", async () => {
    const script = `
      fs.writeFileSync("/tmp/" + given.name, ""); fs.writeFileSync("/attempt/" + given.name, ""); fs.writeFileSync(given.name, "");
      setTimeout(() => console.log(JSON.stringify(["/tmp", "/attempt", "."].map((place) => fs.readdirSync(place)))), 300);`;
    const names = ["one", "two", "three"];
    const found = await Promise.all(names.map((name) => run(script, { name })));
    expect(found).toEqual(names.map((name) => [[name], [name, "package", "tmp"].sort(), ["a.mjs", name]]));
  });

  test.runIf(isRoot)("shares its user with no other script of the server (as root)", async () => {
    const script = `setTimeout(() => console.log(process.getuid()), 200);`;
    const uids = await Promise.all([1, 2, 3].map(() => run(script)));
    expect(new Set(uids).size).toBe(3);
  });
});

test("a script is run in the sandbox exactly where it can be isolated", async () => {
  const { outcome } = await runLocal(scriptCall("a.sh", "echo 1"), { sandbox: true });
  if (isolations.length > 0) expect(outcome).toMatchObject({ status: "SUCCEEDED", output: 1 });
  else expect(outcome).toMatchObject({ status: "FAILED", error: { code: "sandbox_unavailable" }, commands: [] });
});
