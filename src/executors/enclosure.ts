import { join } from "node:path";
import { limits } from "../core/limits.ts";
import { type IsolatedRoot, type Mount, scriptHome } from "./isolated-root.ts";

/** By which program of the host scripts are enclosed, and with what rights. */
export interface EncloseBy {
  readonly kind: "bubblewrap" | "unshare";
  /** Where its program is. */
  readonly program: string;
  /** Whether the server has root's rights; else a user namespace gives what is needed of them. */
  readonly asRoot: boolean;
  /** The table of mounts for mount(8). */
  readonly fstab: string;
  readonly root: IsolatedRoot;
  /** Whether bubblewrap is to keep an unprivileged server's scripts from making user namespaces; elsewhere it is the change of root that does. */
  readonly disablesNamespaces: boolean;
  /** Whether the kernel counts processes within a user namespace, as it does since Linux 5.14. */
  readonly limitsProcesses: boolean;
}

/** One script to enclose. */
export interface ToEnclose {
  readonly argv: readonly string[];
  /** Holds `package` and `tmp`, which are copied. */
  readonly home: string;
  /** Who it runs as, where the server has root's rights. */
  readonly uid: number | undefined;
  readonly hasNetwork: boolean;
}

/** Who scripts are where the server itself is an unprivileged user: `nobody`'s number, as seen from within. */
export const enclosedUser = 65_534;

/** Of the namespaces' first process: all that the server's launcher says comes by descriptor 3, and `ready` goes back by it. */
const setUp = {
  unshare: `
set -e
mount -a -T "$RIPOSTE_TABLE"
cp -pR "$RIPOSTE_HOME/." "$RIPOSTE_ROOT/root${scriptHome}/"
cd "$RIPOSTE_ROOT"
pivot_root . old
umount -l old
cd "/root${scriptHome}/package"
unset RIPOSTE_TABLE RIPOSTE_HOME RIPOSTE_ROOT
set +e
`,
  bubblewrap: `
cp -pR /source/. "$RIPOSTE_ROOT${scriptHome}/" || exit 125
cd "$RIPOSTE_ROOT${scriptHome}/package" || exit 125
unset RIPOSTE_ROOT
`,
};

/**
 * The parameters lie in the host's memory, which a script could fill by way of /dev/stdin: it gets a copy in its own place instead, and no process
 * that it sees has the other one.
 */
const takeParameters = `
cat > ../stdin || exit 125
exec < ../stdin
rm -f ../stdin
`;

/**
 * It stays the first process, with which all others end, collects orphans, and passes the server's word on: the first is SIGTERM to every
 * process here, the second, or the end of the server, is SIGKILL. Its own remarks (\`Killed\`) are no log lines of the script.
 */
const keep = `
exec 4>&2 2>/dev/null
{ read -r word; kill -s TERM -- -1; read -r word; kill -s KILL -- -1; } <&3 >/dev/null 4>&- &
echo ready >&3
(
  exec 3<&-
  ulimit -n ${limits.scriptOpenFilesMax}
  ulimit -d ${limits.scriptMemoryBytesMax / 1024}
  PROCESSES
  exec "$@" 2>&4 4>&-
)
exit $?
`;
// bash has -u, dash and busybox have -p.
const limitProcesses = `ulimit -u ${limits.scriptProcessesMax} || ulimit -p ${limits.scriptProcessesMax}`;

/** A command, and what its environment has to hold besides the script's. */
export interface EnclosedCommand {
  readonly argv: readonly string[];
  /** Paths of the host, which are none of a script's business: it sees the command line of the first process, but not what is here. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The command that runs a script enclosed. It expects the server's words at descriptor 3. */
export function enclosedCommand(by: EncloseBy, script: ToEnclose): EnclosedCommand {
  const rest = keep.replace("PROCESSES", by.limitsProcesses ? limitProcesses : ":");
  const init = ["/bin/sh", "-c", setUp[by.kind] + takeParameters + rest, "riposte-enclosure"];
  const inner = [...init, ...becomeScript(by, script.uid), ...script.argv];
  if (by.kind === "bubblewrap")
    return { argv: [...bubblewrap(by, script), ...inner], environment: { RIPOSTE_ROOT: placeOfRoot(by) } };
  return {
    argv: [...unshare(by, script), ...inner],
    environment: { RIPOSTE_TABLE: by.fstab, RIPOSTE_ROOT: by.root.directory, RIPOSTE_HOME: script.home },
  };
}

function unshare({ program, asRoot }: EncloseBy, { hasNetwork }: ToEnclose): string[] {
  const user = asRoot ? [] : ["--user", "--map-root-user"];
  const network = hasNetwork ? [] : ["--net"];
  return [program, ...user, "--mount", "--pid", "--ipc", ...network, "--fork", "--kill-child=KILL", "--"];
}

function bubblewrap(by: EncloseBy, { hasNetwork, home }: ToEnclose): string[] {
  const { program, asRoot, root, disablesNamespaces } = by;
  const id = String(enclosedUser);
  const user = ["--unshare-user", "--uid", id, "--gid", id, ...(disablesNamespaces ? ["--disable-userns"] : [])];
  return [
    ...[program, ...(asRoot ? ["--cap-add", "ALL"] : user)],
    ...["--unshare-pid", "--unshare-ipc", ...(hasNetwork ? [] : ["--unshare-net"]), "--die-with-parent", "--as-pid-1"],
    ...["--ro-bind", asRoot ? root.directory : join(root.directory, "root"), "/", "--ro-bind", home, "/source"],
    ...root.mounts.flatMap((mount) => bubblewrapMount(mount, placeOfRoot(by))),
    ...["--chdir", "/", "--"],
  ];
}

/** Where the scripts' own root is at first. Bubblewrap for an unprivileged user makes it the root itself. */
function placeOfRoot({ kind, asRoot }: EncloseBy): string {
  return kind === "bubblewrap" && !asRoot ? "" : "/root";
}

function bubblewrapMount({ kind, source, target }: Mount, root: string): string[] {
  const place = `${root}${target}`;
  switch (kind) {
    case "readable":
      return ["--ro-bind", source, place];
    case "device":
      return ["--dev-bind", source, place];
    case "proc":
      return ["--proc", place];
    case "scratch":
      return ["--size", String(limits.scriptDiskBytesMax), "--tmpfs", place];
  }
}

/** The way to the script's own root, user and directory, without any way back. */
function becomeScript({ kind, asRoot }: EncloseBy, uid: number | undefined): string[] {
  if (kind === "bubblewrap" && !asRoot) return [];
  const place = ["--root=/root", `--wd=${scriptHome}/package`];
  const plain = ["setpriv", "--no-new-privs"];
  if (uid === undefined) {
    const user = ["--user", `--map-user=${enclosedUser}`, `--map-group=${enclosedUser}`];
    return ["unshare", ...user, ...place, "--", ...plain, "--"];
  }
  const capabilities = ["--inh-caps=-all", "--bounding-set=-all"];
  return [
    ...["unshare", ...place, "--", ...plain, `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", ...capabilities],
    "--",
  ];
}

/** The mounts for mount(8), in the order in which they are made. */
export function fstabOf({ directory, mounts }: IsolatedRoot): string {
  const whole = [directory, directory, "none", "bind,ro,nosuid,nodev"];
  const rest = mounts.map((mount) => [mount.source, join(directory, "root", mount.target), ...fstabKind(mount)]);
  return [whole, ...rest].map((fields) => `${fields.map(fstabField).join(" ")} 0 0\n`).join("");
}

function fstabKind({ kind, isNoexec }: Mount): [type: string, options: string] {
  switch (kind) {
    case "readable":
      // With all that is mounted below, since the kernel does not let an unprivileged user look beneath; it is covered next.
      return ["none", `rbind,ro,nosuid,nodev${isNoexec ? ",noexec" : ""}`];
    case "device":
      return ["none", "bind,nosuid"];
    case "proc":
      return ["proc", "nosuid,nodev,noexec"];
    case "scratch":
      return ["tmpfs", `nosuid,nodev,size=${limits.scriptDiskBytesMax},nr_inodes=${limits.scriptFilesMax},mode=0700`];
  }
}

/** @see fstab(5): blanks and backslashes as octal numbers. */
function fstabField(field: string): string {
  return field.replace(/[\s\\#]/g, (found) => `\\${found.charCodeAt(0).toString(8).padStart(3, "0")}`);
}
