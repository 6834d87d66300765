import { readdir, readFile, readlink } from "node:fs/promises";
import { limits } from "../core/limits.ts";

/** Memory that all processes of an enclosure hold together; undefined where that cannot be seen (yet). */
type Measure = () => Promise<number | undefined>;

/**
 * Looks again and again at what an enclosed script holds, since the kernel limits each process by itself only.
 * @param group The process that the server started for it.
 * @param onExceeded Called once, and then no more is looked at.
 * @returns How to stop looking.
 */
export function watchMemory(group: number, bytesMax: number, onExceeded: () => void): () => void {
  const measure = enclosureMemory(group);
  let isOver = false;
  async function look(): Promise<void> {
    const bytes = await measure().catch(() => undefined);
    if (isOver) return;
    if (bytes === undefined || bytes <= bytesMax) timer = later();
    else onExceeded();
  }
  const later = (): NodeJS.Timeout => setTimeout(() => void look(), limits.scriptMemoryLookMs).unref();
  let timer = later();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

function enclosureMemory(group: number): Measure {
  return async () => {
    const first = (await readFile(`/proc/${group}/task/${group}/children`, "latin1")).trim();
    if (!/^\d+$/.test(first)) return undefined;
    // Where the first process has the scripts' root below its own, or is in it itself.
    for (const proc of [`/proc/${first}/root/root/proc`, `/proc/${first}/root/proc`]) {
      const pids = (await readdir(proc).catch(() => [])).filter((name) => /^\d+$/.test(name));
      // Of the host's own, which is there before the change of root, this process is a part; of an enclosure's it is not.
      const isOurs = await readlink(`${proc}/self`).then(
        () => true,
        () => false,
      );
      if (pids.length > 0 && !isOurs) return sum(await Promise.all(pids.map((pid) => held(`${proc}/${pid}/status`))));
    }
    return undefined;
  };
}

/** What a process holds by itself or shares with its children, without the pages of files. @see proc(5) */
async function held(path: string): Promise<number> {
  const text = await readFile(path, "latin1").catch(() => "");
  const kilobytes = [...text.matchAll(/^Rss(?:Anon|Shmem):\s*(\d+) kB$/gm)].map(([, number]) => Number(number));
  return sum(kilobytes) * 1_024;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
