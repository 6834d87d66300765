import { mkdir, realpath, writeFile } from "node:fs/promises";
import { homedir, release } from "node:os";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { findProgram, usualPath } from "../scripts/script-command.ts";
import { removeDirectory } from "../scripts/work-directory.ts";
import {
  type EncloseBy,
  type EnclosedCommand,
  enclosedCommand,
  enclosedUser,
  fstabOf,
  type ToEnclose,
} from "./enclosure.ts";
import { prepareRoot } from "./isolated-root.ts";
import { type IsolationLack, lackOn } from "./isolation-lack.ts";
import { tryEnclosure } from "./isolation-trial.ts";
import { ownServer } from "./process-marks.ts";
import { createScriptUsers, type ScriptUsers } from "./script-users.ts";

/** What this host can do to keep a script to itself. Found out once, when a server starts, by trying it. */
export interface Isolation {
  readonly kind: "bubblewrap" | "unshare" | "none";
  /** Set where `kind` is none. */
  readonly lack?: IsolationLack;
  /** What this host cannot do, though it isolates, as phrases such as `limit the number of processes`. */
  readonly gaps: readonly string[];
  /** A place for one script, to be released when nothing of it is left; undefined where `kind` is none. */
  enclose(): Enclosure | undefined;
}

/** The place of one script that is enclosed. */
export interface Enclosure {
  /** Who it runs as, and whose its files have to be, where the server has root's rights. */
  readonly uid: number | undefined;
  /** The command that runs the script there; it has descriptor 3 of the launcher. */
  command(script: Omit<ToEnclose, "uid">): EnclosedCommand;
  release(): void;
}

/** What the probe is told. */
export interface IsolationOptions {
  /** Holds the working copies. */
  readonly workDirectory: string;
  /** The directory of all that is the server's own, keys and database too; `workDirectory` by default. */
  readonly dataDirectory?: string;
  /** The Node that runs `.js` and `.mjs`; the server's own by default. */
  readonly node?: string;
  /** Where bubblewrap, unshare and mount are looked for; the usual directories of a system by default. */
  readonly path?: string;
  /** Absolute paths of the host that scripts may read besides what every system has. */
  readonly readable?: readonly string[];
  /** What is tried, in this order. */
  readonly kinds?: readonly EncloseBy["kind"][];
}

/** Of the server's own program. */
const serverDirectory = join(import.meta.dirname, "../..");

/** The isolation of a host that has none. */
export function withoutIsolation(lack: IsolationLack): Isolation {
  return { kind: "none", lack, gaps: [], enclose: () => undefined };
}

/**
 * Finds out what this host can do by running a script in each kind of enclosure until one keeps all that it promises; takes about 0.1 s.
 * @returns Never rejects for what a host lacks: that is an answer.
 * @throws Error when `readable` names a path that would show scripts what they are to be kept from.
 */
export async function probeIsolation(options: IsolationOptions): Promise<Isolation> {
  await checkReadable(options);
  if (process.platform !== "linux") return withoutIsolation(lackOn({ platform: process.platform, failures: [] }));
  // Root of a user namespace that has no other user is as unprivileged as any.
  const users = process.getuid?.() === 0 ? createScriptUsers() : undefined;
  const asRoot = users !== undefined;
  const failures: string[] = [];
  for (const kind of options.kinds ?? ["bubblewrap", "unshare"]) {
    const missing = await missingProgram(kind, asRoot, options.path ?? usualPath);
    if (missing !== undefined) failures.push(`${missing} is not installed`);
    else {
      for (const variant of variantsOf(kind, asRoot)) {
        const found = await tryVariant(options, { ...variant, kind, asRoot, users });
        if (typeof found !== "string") return found;
        failures.push(`${kind}: ${found}`);
      }
    }
  }
  return withoutIsolation(lackOn({ platform: process.platform, failures }));
}

interface Variant {
  readonly kind: EncloseBy["kind"];
  readonly asRoot: boolean;
  readonly users: ScriptUsers | undefined;
  readonly hasProc: boolean;
  readonly disablesNamespaces: boolean;
}

/** What is tried of a kind, the best first. */
function variantsOf(
  kind: EncloseBy["kind"],
  asRoot: boolean,
): readonly Pick<Variant, "hasProc" | "disablesNamespaces">[] {
  // Util-linux reads /proc itself after the change of root, so it has to be there.
  if (kind === "unshare") return [{ hasProc: true, disablesNamespaces: false }];
  const canDisable = asRoot ? [false] : [true, false];
  return [true, false].flatMap((hasProc) => canDisable.map((disablesNamespaces) => ({ hasProc, disablesNamespaces })));
}

const programs = { bubblewrap: "bwrap", unshare: "unshare" };

async function missingProgram(kind: EncloseBy["kind"], asRoot: boolean, path: string): Promise<string | undefined> {
  // Bubblewrap does all of it by itself for an unprivileged server.
  const others = kind === "unshare" ? ["mount", "pivot_root", "setpriv"] : asRoot ? ["unshare", "setpriv"] : [];
  for (const name of [programs[kind], ...others]) {
    const isMissing = await findProgram(name, path).then(
      () => false,
      () => true,
    );
    if (isMissing) return name;
  }
  return undefined;
}

/** The isolation by a variant, or why it will not do. */
async function tryVariant(options: IsolationOptions, variant: Variant): Promise<Isolation | string> {
  const { kind, hasProc, disablesNamespaces, users } = variant;
  const name = `root-${kind}${hasProc ? "" : "-without-proc"}${disablesNamespaces ? "-strict" : ""}`;
  const directory = join(resolve(options.workDirectory), ownServer(options.workDirectory), name);
  try {
    const by = await prepare(directory, options, variant);
    const fault = await tryEnclosure(by, { ...options, users });
    if (fault === undefined) return isolationBy(by, variant);
    await removeDirectory(directory);
    return fault;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function isolationBy(by: EncloseBy, { users, hasProc }: Variant): Isolation {
  const mayMakeNamespaces = by.kind === "bubblewrap" && !by.asRoot && !by.disablesNamespaces;
  const gaps = [
    ...(by.limitsProcesses ? [] : ["limit the number of processes"]),
    ...(hasProc ? [] : ["show scripts a /proc of their own (they have none)"]),
    ...(mayMakeNamespaces ? ["keep scripts from making user namespaces of their own"] : []),
  ];
  return {
    ...{ kind: by.kind, gaps },
    enclose: () => {
      const user = users?.take();
      return {
        uid: user?.uid,
        command: (script) => enclosedCommand(by, { ...script, uid: user?.uid }),
        release: () => user?.release(),
      };
    },
  };
}

async function prepare(directory: string, options: IsolationOptions, variant: Variant): Promise<EncloseBy> {
  const { users, hasProc, ...by } = variant;
  const program = await findProgram(programs[by.kind], options.path ?? usualPath);
  await removeDirectory(directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const root = await prepareRoot(join(directory, "skeleton"), {
    node: options.node ?? process.execPath,
    readable: [...(options.readable ?? []), ...(await interpreterPlaces(options))],
    // Where the server is installed there may be its settings, and below it its data.
    hidden: [options.dataDirectory ?? options.workDirectory, serverDirectory],
    users: users ?? { first: enclosedUser, count: 1 },
    hasProc,
  });
  const fstab = join(directory, "fstab");
  await writeFile(fstab, fstabOf(root));
  return { ...by, program, fstab, root, limitsProcesses: by.asRoot || countsWithinNamespaces() };
}

/** Linux counts processes within a user namespace since 5.14; before, a limit would count all that the server's user has running. */
function countsWithinNamespaces(): boolean {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 5 || (major === 5 && minor >= 14);
}

/** Where interpreters are installed outside of the system's directories, as with /usr/local/bin/python3 → /opt/python/bin/python3. */
async function interpreterPlaces({ path = usualPath, workDirectory }: IsolationOptions): Promise<string[]> {
  const places: string[] = [];
  for (const name of ["python3", "bash"]) {
    const found = await findProgram(name, path)
      .then((program) => realpath(program))
      .catch(() => "/usr");
    const place = dirname(dirname(found));
    const isInstallation =
      basename(dirname(found)) === "bin" && !holds(place, workDirectory) && !holds(place, homedir());
    if (!/^\/(usr|s?bin|lib\w*)\//.test(found) && isInstallation) places.push(place);
  }
  return places;
}

async function checkReadable({ readable = [], workDirectory, dataDirectory }: IsolationOptions): Promise<void> {
  const own = ["/attempt", "/dev", "/etc/passwd", "/etc/group", "/proc", "/tmp", "/var/tmp"];
  const kept = [...own, ...(await placesOf(dataDirectory ?? workDirectory))];
  for (const path of readable) {
    const isProper = path.startsWith("/") && !path.includes(delimiter);
    const places = isProper ? await placesOf(path) : ["/"];
    if (places.every((place) => kept.every((one) => !holds(one, place) && !holds(place, one)))) continue;
    throw new Error(
      `Scripts cannot be let read ${path}: name an absolute path that neither holds the server's data nor lies in it or in ${own.join(", ")}.`,
    );
  }
}

/** A path as it is written, and where it leads to. */
async function placesOf(path: string): Promise<string[]> {
  return [resolve(path), await realpath(path).catch(() => resolve(path))];
}

function holds(directory: string, path: string): boolean {
  return `${resolve(path)}/`.startsWith(directory === "/" ? "/" : `${resolve(directory)}/`);
}
