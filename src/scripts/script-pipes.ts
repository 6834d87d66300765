import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, constants, fchownSync, openSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

/** The streams of a script: our ends, and the descriptors that the script is given. */
export interface ScriptPipes {
  readonly stdout: Socket;
  readonly stderr: Socket;
  readonly descriptors: readonly [stdin: number, stdout: number, stderr: number];
  /** Closes the script's ends here, once it has them itself. */
  handOver(): void;
  /** Closes our ends. */
  close(): void;
}

interface Input {
  readonly descriptor: number;
  readonly stream?: Socket;
}

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NONBLOCK } = constants;

/**
 * Opens real pipes for a script, with its parameters already under way. Node's own are sockets, and on Linux a socket cannot be opened
 * by name: `echo … > /dev/stderr`, `cat /dev/stdin` and `readFileSync("/dev/stdin")`, all common in scripts, would fail with ENXIO.
 * @param directory Where the names of the pipes may stand for a moment.
 * @param owner Who may open them by name, besides root; our own user by default.
 */
export async function openScriptPipes(
  directory: string,
  { path, stdin, owner }: { readonly path: string; readonly stdin: string; readonly owner?: number | undefined },
): Promise<ScriptPipes> {
  const [input, output, errors] = [join(directory, "in"), join(directory, "out"), join(directory, "err")];
  await promisify(execFile)("mkfifo", ["-m", "600", input, output, errors], { env: { PATH: path } });
  const opened: number[] = [];
  try {
    const { descriptor, stream } = openMemory(stdin) ?? openPipe(input, stdin);
    opened.push(descriptor);
    // None of these waits: a reader opens without blocking, a writer finds its reader, and the script's own end is a blocking one.
    for (const name of [output, errors]) opened.push(openSync(name, O_RDONLY | O_NONBLOCK), openSync(name, O_WRONLY));
    if (owner !== undefined) for (const each of opened) fchownSync(each, owner, owner);
    const [, stdoutEnd = -1, scriptOut = -1, stderrEnd = -1, scriptErr = -1] = opened;
    const stdout = quiet(new Socket({ fd: stdoutEnd, readable: true, writable: false }));
    const stderr = quiet(new Socket({ fd: stderrEnd, readable: true, writable: false }));
    const descriptors = [descriptor, scriptOut, scriptErr] as const;
    return {
      ...{ stdout, stderr, descriptors },
      handOver: () => descriptors.forEach(closeSync),
      close: () => [stream, stdout, stderr].forEach((one) => void one?.destroy()),
    };
  } catch (error) {
    opened.forEach(closeSync);
    throw error;
  } finally {
    for (const name of [input, output, errors]) rmSync(name, { force: true });
  }
}

/**
 * A file without a name, in memory only, since secrets are in it; on Linux, where a pipe with a name, opened again by that of stdin,
 * would wait for a writer that has long ended. Undefined where there is no such memory or no room in it.
 */
function openMemory(content: string): Input | undefined {
  if (process.platform !== "linux") return undefined;
  const name = `/dev/shm/riposte-${randomUUID()}`;
  let writer: number | undefined;
  let reader: number | undefined;
  try {
    writer = openSync(name, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    reader = openSync(name, O_RDONLY);
    // Nameless before there is anything in it, so that no death of ours can leave a secret behind.
    rmSync(name);
    writeFileSync(writer, content);
    return { descriptor: reader };
  } catch {
    if (writer !== undefined) rmSync(name, { force: true });
    if (reader !== undefined) closeSync(reader);
    return undefined;
  } finally {
    if (writer !== undefined) closeSync(writer);
  }
}

function openPipe(name: string, content: string): Input {
  const first = openSync(name, O_RDONLY | O_NONBLOCK);
  const writer = openSync(name, O_WRONLY | O_NONBLOCK);
  const descriptor = openSync(name, O_RDONLY);
  closeSync(first);
  const stream = quiet(new Socket({ fd: writer, readable: false, writable: true }));
  stream.end(content);
  return { descriptor, stream };
}

/** A script that does not read its parameters, or is killed, breaks its pipes: that is its own affair. */
function quiet(stream: Socket): Socket {
  return stream.on("error", () => {});
}
