import { readFile } from "node:fs/promises";

/** One mount of this host. */
export interface HostMount {
  readonly place: string;
  readonly isNoexec: boolean;
}

/** The mounts that this process sees. @see proc(5), `/proc/pid/mountinfo`. */
export async function readMounts(): Promise<HostMount[]> {
  const text = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => {
    const fields = line.split(" ");
    const [place, flags] = [fields[4], fields[5]];
    if (place === undefined || flags === undefined) return [];
    return [{ place: unescaped(place), isNoexec: flags.split(",").includes("noexec") }];
  });
}

/** Whether nothing may be executed where a path lies: an unprivileged user cannot take that away from what is mounted anew. */
export function isNoexec(mounts: readonly HostMount[], path: string): boolean {
  const around = mounts.filter(({ place }) => path === place || isBelow(path, place));
  return around.reduce<HostMount | undefined>(deeper, undefined)?.isNoexec ?? false;
}

/** Where something else is mounted below a path. */
export function mountsBelow(mounts: readonly HostMount[], path: string): string[] {
  return mounts.flatMap(({ place }) => (isBelow(place, path) ? [place] : []));
}

function deeper(one: HostMount | undefined, other: HostMount): HostMount {
  // Of two at the same place the later one is seen.
  return one === undefined || other.place.length >= one.place.length ? other : one;
}

function isBelow(path: string, directory: string): boolean {
  return path !== directory && path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
