import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkApprovals } from "./chaos/check-approvals.ts";
import { checkCalls, checkRuns } from "./chaos/check-runs.ts";
import { checkTriggers } from "./chaos/check-triggers.ts";
import { checkWriters } from "./chaos/check-writers.ts";
import { type History, readHistory } from "./chaos/history.ts";
import { ChaosWorld } from "./chaos/world.ts";

/** The same seed makes the same choices again, though not at the same moments. */
const seed = process.env["CHAOS_SEED"] ?? "chaos";
const loadMs = Number(process.env["CHAOS_SECONDS"] ?? 18) * 1_000;
const settleMs = 90_000;

let world: ChaosWorld;
let history: History;

describe(`three nodes under load that are killed, stopped, cut off and left without a database (CHAOS_SEED=${seed})`, () => {
  beforeAll(
    async () => {
      world = await ChaosWorld.start(seed);
      await world.load(loadMs);
      await world.settle(settleMs);
      history = await readHistory(world.cluster);
      console.log(`CHAOS_SEED=${seed}`, JSON.stringify(summaryOf(history)));
    },
    60_000 + loadMs + settleMs + 60_000,
  );
  afterAll(() => world?.stop(), 60_000);

  test("end every run that they answered for once, as its playbook and its callers would have it", () => {
    const { starts, triggers } = world;
    expect(checkRuns(history, starts, triggers.named)).toEqual([]);
    expect([...starts.problems, ...triggers.problems]).toEqual([]);
  });

  test("call nothing twice at once, nor more often than they had written down before", () => {
    expect(world.vendor.overlaps).toEqual([]);
    expect(checkCalls(history, world.vendor)).toEqual([]);
  });

  test("let each approval be decided once, and do what was decided", () => {
    expect(checkApprovals(history, world.decisions)).toEqual([]);
    expect(world.decisions.problems).toEqual([]);
  });

  test("start each playbook once for each event, tick and completion", () => {
    expect(checkTriggers(history, world.triggers)).toEqual([]);
  });

  test("write nothing once they are declared dead", async () => {
    expect(await checkWriters(world.cluster)).toEqual([]);
    expect(world.faults.problems).toEqual([]);
  });

  test("show those who follow a run each of its events once, in order", async () => {
    for (const [id, sequences] of world.followed) {
      const { events } = history.runs.get(id) ?? { events: [] };
      expect(await sequences).toEqual(events.map(({ sequence }) => sequence));
    }
  });

  test("end by nothing but what was done to them, and answer with no error of their own", () => {
    const { cluster, clients } = world;
    expect([...clients.oddities, ...cluster.nodes.flatMap(({ mishaps }) => mishaps)]).toEqual([]);
    expect(cluster.nodes.flatMap(({ logFile }) => errorsIn(logFile))).toEqual([]);
  });

  test("were hit by all of it", () => {
    const { kills, pauses, restarts } = world.faults.counts;
    expect([kills, pauses, restarts].every((count) => count > 0)).toBe(true);
  });
});

/**
 * What a node logged as an error, but for the loss of its place in the cluster, which is what it was stopped for, and for what failed
 * because the database was away.
 */
function errorsIn(logFile: string): string[] {
  const lines = readFileSync(logFile, "utf8").split("\n");
  return lines.filter(
    (line) => /"level":[56]0/.test(line) && !line.includes('"node.lost"') && !isOfDatabase.test(line),
  );
}

const isOfDatabase =
  /ECONN|EPIPE|not queryable|ENOENT [^"]*PGSQL|Connection terminated|terminating connection|the database system is|timeout exceeded/;

function summaryOf({ runs, approvals, triggers }: History) {
  const count = (words: readonly string[]) =>
    Object.fromEntries(
      Map.groupBy(words, (word) => word)
        .entries()
        .map(([word, { length }]) => [word, length]),
    );
  const { faults, vendor, followed } = world;
  return {
    runs: count([...runs.values()].map(({ status }) => status)),
    interruptions: [...runs.values()]
      .flatMap(({ events }) => events)
      .filter((event) => event.type === "NOTICE" && event.code === "step_interrupted").length,
    approvals: count(approvals.map(({ status }) => status)),
    triggers: count(triggers.map(({ type }) => type)),
    calls: [...vendor.calls.values()].flat().length,
    excused: vendor.excusedCount,
    followed: followed.size,
    ...faults.counts,
  };
}
