import { writeFile } from "node:fs/promises";
import type { Profiler } from "node:inspector";
import { Session } from "node:inspector/promises";

/** A part of the code and the share of the process's busy time that was spent in it, 0 to 1. */
export interface Part {
  readonly name: string;
  readonly share: number;
}

/** Runs the work under V8's sampling profiler, keeps the profile for Chrome's developer tools, and says where the time went. */
export async function profiled(file: string, work: () => Promise<unknown>): Promise<readonly Part[]> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: 250 });
  await session.post("Profiler.start");
  await work();
  const { profile } = await session.post("Profiler.stop");
  session.disconnect();
  await writeFile(file, JSON.stringify(profile));
  return partsOf(profile);
}

/** Self time by part. Node's own code counts for whoever called it: the sockets for pg, the promises for the run. */
function partsOf(profile: Profiler.Profile): readonly Part[] {
  const parents = new Map<number, number>();
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  for (const { id, children = [] } of profile.nodes) for (const child of children) parents.set(child, id);
  const partOfNode = (id: number): string => {
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const { functionName, url } = nodes.get(at)!.callFrame;
      if (functionName === "(idle)" || functionName === "(garbage collector)") return functionName;
      const part = partOfUrl(url);
      if (part !== undefined) return part;
    }
    return "node itself (event loop, sockets, promises)";
  };
  const micros = new Map<string, number>();
  const { samples = [], timeDeltas = [] } = profile;
  for (const [index, id] of samples.entries()) {
    const part = partOfNode(id);
    micros.set(part, (micros.get(part) ?? 0) + (timeDeltas[index] ?? 0));
  }
  micros.delete("(idle)");
  const busy = micros.values().reduce((sum, time) => sum + time, 0);
  return [...micros].map(([name, time]) => ({ name, share: time / busy })).sort((a, b) => b.share - a.share);
}

const partsOfFiles: Readonly<Record<string, string>> = {
  "runs/transition.ts": "transition + fold",
  "runs/fold.ts": "transition + fold",
  "runs/step-ports.ts": "prepare",
  "runs/run-scope.ts": "prepare",
  "runs/journal.ts": "journal",
  "runs/journal-sql.ts": "journal",
  "runs/journal-rows.ts": "journal",
  "runs/settlement.ts": "journal",
  "runs/events.ts": "journal",
  "runs/head-change.ts": "journal",
  "runs/hub.ts": "hub",
};

function partOfUrl(url: string): string | undefined {
  if (url === "" || url.startsWith("node:")) return undefined;
  const room = /\/src\/(([\w-]+)\/.*)$/.exec(url);
  if (room) return partsOfFiles[room[1]!] ?? partOfRoom(room[2]!);
  if (/\/node_modules\/pg[\w-]*\//.test(url)) return "pg client";
  if (url.includes("/node_modules/")) return /.*\/node_modules\/((?:@[\w.-]+\/)?[\w.-]+)/.exec(url)?.[1];
  return url.includes("/bench/") ? "the bench itself" : "other";
}

function partOfRoom(room: string): string {
  if (room === "actions" || room === "expressions") return "prepare";
  return room === "runs" ? "resident run + engine" : room;
}
