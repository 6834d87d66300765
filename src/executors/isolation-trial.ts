import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { chown, mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join, resolve } from "node:path";
import { z } from "zod";
import { limits } from "../core/limits.ts";
import { killQuietly } from "../scripts/marked-processes.ts";
import { usualPath } from "../scripts/script-command.ts";
import { removeDirectory } from "../scripts/work-directory.ts";
import { type EncloseBy, type EnclosedCommand, enclosedCommand } from "./enclosure.ts";
import { scriptNode } from "./isolated-root.ts";
import type { ScriptUsers } from "./script-users.ts";

/** Looks at the server from within, as a hostile script would, and tells what it got. */
const trial = `
import fs from "node:fs";
import net from "node:net";
import { spawnSync } from "node:child_process";
const { hidden, port } = JSON.parse(process.argv[2]);
const link = (name) => { try { return fs.readlinkSync("/proc/self/ns/" + name); } catch { return null; } };
const canWrite = (path) => { try { fs.writeFileSync(path + "/riposte-trial", ""); return true; } catch { return false; } };
const status = (() => { try { return fs.readFileSync("/proc/self/status", "utf8"); } catch { return ""; } })();
const socket = net.connect(port, "127.0.0.1");
const reached = await new Promise((resolve) => { socket.on("connect", () => resolve(true)); socket.on("error", () => resolve(false)); });
socket.destroy();
console.log(JSON.stringify({
  uid: process.getuid(), pid: process.pid, reached,
  seen: hidden.filter((path) => fs.existsSync(path)),
  written: ["/", "/usr", "/etc", "/dev", "/opt"].filter(canWrite), hasTemporary: canWrite("/tmp"),
  namespaces: Object.fromEntries(["pid", "mnt", "ipc", "net"].map((name) => [name, link(name)])),
  effective: /CapEff:\\s*(\\w+)/.exec(status)?.[1] ?? null, locked: /NoNewPrivs:\\s*(\\d)/.exec(status)?.[1] ?? null,
  shell: spawnSync("/bin/sh", ["-c", "exit 7"]).status,
}));
`;

const Findings = z.object({
  uid: z.number(),
  pid: z.number(),
  reached: z.boolean(),
  seen: z.array(z.string()),
  written: z.array(z.string()),
  hasTemporary: z.boolean(),
  namespaces: z.record(z.string(), z.string().nullable()),
  effective: z.string().nullable(),
  locked: z.string().nullable(),
  shell: z.number().nullable(),
});
/** What the trial got hold of. */
export type Findings = z.infer<typeof Findings>;

interface Place {
  readonly workDirectory: string;
  /** PATH of the programs that enclose. */
  readonly path?: string;
  readonly users: ScriptUsers | undefined;
}

/**
 * Runs the trial in an enclosure without network.
 * @returns Why the enclosure will not do; undefined when it keeps all that it promises.
 */
export async function tryEnclosure(
  by: EncloseBy,
  { workDirectory, users, path = usualPath }: Place,
): Promise<string | undefined> {
  const home = join(resolve(by.root.directory, ".."), `trial-${randomUUID()}`);
  const user = users?.take();
  const listener = createServer((socket) => socket.destroy()).unref();
  try {
    const port = await listening(listener);
    await writeTrial(home, user?.uid);
    const hidden = [resolve(workDirectory), by.root.directory, "/etc/shadow", "/sys/kernel"];
    const argv = [scriptNode, "trial.mjs", JSON.stringify({ hidden, port })];
    const { stdout, stderr } = await run(enclosedCommand(by, { argv, home, uid: user?.uid, hasNetwork: false }), path);
    const findings = Findings.safeParse(parse(stdout));
    if (!findings.success)
      return stderr.trim().split("\n")[0]?.slice(0, limits.nameLengthMax) || "the trial did not end";
    return faultIn(findings.data, user?.uid);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    listener.close();
    user?.release();
    await removeDirectory(home).catch(() => {});
  }
}

/** The first promise that was not kept. What cannot be seen without /proc is null: the namespaces then hold as they were asked for. */
export function faultIn(found: Findings, uid: number | undefined): string | undefined {
  if (found.seen.length > 0) return `scripts would see ${found.seen.join(", ")}`;
  if (found.written.length > 0) return `scripts could write to ${found.written.join(", ")}`;
  if (!found.hasTemporary) return "scripts could not write to /tmp";
  if (found.reached) return "scripts would have a network";
  if (found.pid > limits.scriptProcessesMax) return "scripts would share the server's processes";
  const shared = Object.entries(found.namespaces).filter(
    ([name, link]) => link !== null && link === ownNamespace(name),
  );
  if (shared.length > 0) return `scripts would share namespaces: ${shared.map(([name]) => name).join(", ")}`;
  if (found.uid === 0 || (uid !== undefined && found.uid !== uid)) return `scripts would run as user ${found.uid}`;
  if (found.effective !== null && !/^0+$/.test(found.effective)) return "scripts would have capabilities";
  if (found.locked !== null && found.locked !== "1") return "scripts could gain privileges";
  return found.shell === 7 ? undefined : "scripts could start no other program";
}

function ownNamespace(name: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/ns/${name}`);
  } catch {
    return undefined;
  }
}

async function writeTrial(home: string, uid: number | undefined): Promise<void> {
  const file = join(home, "package/trial.mjs");
  for (const name of ["package", "tmp"]) await mkdir(join(home, name), { recursive: true, mode: 0o700 });
  await writeFile(file, trial);
  if (uid !== undefined) for (const name of ["", "package", "tmp", file]) await chown(resolve(home, name), uid, uid);
}

async function run({ argv, environment }: EnclosedCommand, path: string): Promise<{ stdout: string; stderr: string }> {
  // By a shell, since the descriptors of a program that does not exist would be lost.
  const child = spawn("/bin/sh", ["-c", 'exec "$@"', "riposte", ...argv], {
    cwd: "/",
    env: { ...environment, PATH: path },
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const timer = setTimeout(() => killQuietly(-(child.pid ?? 0), "SIGKILL"), limits.isolationTrialMs);
  try {
    const [stdout, stderr] = await Promise.all([textOf(child, 1), textOf(child, 2), once(child, "exit")]);
    return { stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

async function textOf(child: ChildProcess, descriptor: 1 | 2): Promise<string> {
  let text = "";
  const stream = descriptor === 1 ? child.stdout : child.stderr;
  stream?.setEncoding("utf8").on("data", (part: string) => {
    text = (text + part).slice(0, limits.outputBytesMax);
  });
  if (stream) await once(stream, "close");
  return text;
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
