import { lstat, mkdir, readlink, realpath, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { type HostMount, isNoexec, mountsBelow, readMounts } from "./mount-table.ts";

/** The file system that enclosed scripts see, prepared once for a server: a skeleton on disk, and what is mounted into it each time. */
export interface IsolatedRoot {
  /** What becomes `/` first. The scripts' own root is `root` in it, so that no script can make a user namespace (it is chrooted). */
  readonly directory: string;
  readonly mounts: readonly Mount[];
}

/** What is mounted, below the scripts' root. */
export interface Mount {
  readonly kind: "readable" | "device" | "proc" | "scratch";
  /** A path of the host; of `proc` and `scratch` just a name. */
  readonly source: string;
  /** Absolute, as scripts see it. */
  readonly target: string;
  readonly isNoexec: boolean;
}

/** Where scripts find themselves. Neither path is one of a usual system, so that nothing of it is hidden. */
export const scriptHome = "/attempt";
export const scriptNode = "/opt/riposte/bin/node";

const systemDirectories = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/** What programs need of /etc to resolve names, check certificates and load libraries; nothing that is this host's own secret. */
const settings = [
  ...["alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "gai.conf", "host.conf", "hosts"],
  ...["ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "os-release"],
  ...["pki/ca-trust/extracted", "pki/tls/certs", "protocols", "resolv.conf", "services", "ssl/certs"],
  ...["ssl/openssl.cnf", "timezone"],
].map((name) => `/etc/${name}`);

const devices = ["null", "zero", "full", "random", "urandom"];

interface RootNeeds {
  /** The Node that runs `.js` and `.mjs`. */
  readonly node: string;
  /** Further paths of the host that scripts may read. */
  readonly readable: readonly string[];
  /** Paths of the host that are empty for scripts, where they lie in what scripts may read. */
  readonly hidden: readonly string[];
  /** Who scripts run as: lines of /etc/passwd. */
  readonly users: { readonly first: number; readonly count: number };
  /** Whether /proc can be mounted. */
  readonly hasProc: boolean;
}

/** Writes the skeleton into a directory that does not exist yet. */
export async function prepareRoot(directory: string, needs: RootNeeds): Promise<IsolatedRoot> {
  const root = join(directory, "root");
  for (const name of ["old", "source", "root"]) await mkdir(join(directory, name), { recursive: true, mode: 0o755 });
  for (const name of ["attempt", "dev", "etc", "proc", "run", "source", "usr", "var"]) await mkdir(join(root, name));
  const hostMounts = await readMounts();
  const readable = await systemPlaces(root);
  for (const path of [...settings, ...needs.readable]) readable.push(...(await makePlace(root, path, path)));
  const hidden = await hiddenPlaces(readable, needs.hidden);
  const node = await makePlace(root, needs.node, scriptNode);
  const mounts = [
    ...readable.flatMap((place) => readableMounts(place, hostMounts)),
    // What has nothing in it, over what is to be hidden.
    ...hidden.map((target): Mount => ({ kind: "readable", source: join(root, "run"), target, isNoexec: false })),
    ...node.flatMap((place) => readableMounts(place, hostMounts)),
  ];
  for (const name of devices) {
    await writeFile(join(root, "dev", name), "");
    mounts.push({ kind: "device", source: `/dev/${name}`, target: `/dev/${name}`, isNoexec: false });
  }
  await linkAll(root, needs.hasProc);
  await writeFile(
    join(root, "etc/passwd"),
    usersFile(needs.users, (id) => `x:${id}:${id}::${scriptHome}:/bin/sh`),
  );
  await writeFile(
    join(root, "etc/group"),
    usersFile(needs.users, (id) => `x:${id}:`),
  );
  if (needs.hasProc) mounts.push({ kind: "proc", source: "proc", target: "/proc", isNoexec: true });
  mounts.push({ kind: "scratch", source: "tmpfs", target: scriptHome, isNoexec: false });
  // Programs of the host are still called between the change of root and the change to the scripts' own.
  for (const name of ["usr", "etc", "dev", "proc", ...systemDirectories])
    await symlink(`root/${name}`, join(directory, name));
  return { directory, mounts };
}

/** A path of the host, and where scripts see it. */
interface Place {
  readonly source: string;
  readonly target: string;
}

/** Those of the paths that scripts would find, as they would find them. */
async function hiddenPlaces(readable: readonly Place[], paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map((path) => realpath(path).catch(() => undefined)));
  return [...new Set(found)].flatMap((path) => {
    if (path === undefined) return [];
    return readable.flatMap(({ source, target }) =>
      path.startsWith(`${source}/`) ? [target + path.slice(source.length)] : [],
    );
  });
}

/** A place that is mounted readable, with what else is mounted below it: that too can only be read. */
function readableMounts({ source, target }: Place, hostMounts: readonly HostMount[]): Mount[] {
  return [source, ...mountsBelow(hostMounts, source)].map((path) => ({
    ...{ kind: "readable", source: path, target: target + path.slice(source.length) },
    isNoexec: isNoexec(hostMounts, path),
  }));
}

/** Programs and libraries: /usr, and what of /bin, /lib and their like is no mere link into it. */
async function systemPlaces(root: string): Promise<Place[]> {
  const places = [{ source: "/usr", target: "/usr" }];
  for (const name of systemDirectories) {
    const status = await lstat(`/${name}`).catch(() => undefined);
    if (status?.isSymbolicLink()) await symlink(relative("/", join("/", await readlink(`/${name}`))), join(root, name));
    else if (status?.isDirectory()) places.push(...(await makePlace(root, `/${name}`, `/${name}`)));
  }
  return places;
}

/** Makes the place to mount a path at, where there is such a path. */
async function makePlace(root: string, source: string, target: string): Promise<Place[]> {
  const real = await realpath(source).catch(() => undefined);
  if (real === undefined) return [];
  const isDirectory = (await stat(real)).isDirectory();
  const place = join(root, target);
  await mkdir(isDirectory ? place : dirname(place), { recursive: true, mode: 0o755 });
  if (!isDirectory) await writeFile(place, "");
  // The path as it was given: what a link leads to may be another file later, as it is with resolv.conf.
  return [{ source, target }];
}

async function linkAll(root: string, hasProc: boolean): Promise<void> {
  const links: Record<string, string> = {
    tmp: "attempt/tmp",
    "var/tmp": "../attempt/tmp",
    "dev/shm": "../attempt/tmp",
  };
  if (hasProc) {
    const streams = { fd: "", stdin: "/0", stdout: "/1", stderr: "/2" };
    for (const [name, number] of Object.entries(streams)) links[`dev/${name}`] = `/proc/self/fd${number}`;
  }
  for (const [name, to] of Object.entries(links)) await symlink(to, join(root, name));
}

function usersFile({ first, count }: RootNeeds["users"], rest: (id: number) => string): string {
  const ids = Array.from({ length: count }, (_, index) => first + index);
  return `root:${rest(0)}\n${ids.map((id, index) => `script${index || ""}:${rest(id)}\n`).join("")}`;
}
