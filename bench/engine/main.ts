import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { Client } from "pg";
import { silentLog } from "../../src/core/log.ts";
import { startEmbeddedPostgres } from "../../src/database/embedded-postgres.ts";
import { percentiles } from "./closed-loop.ts";
import type { Place } from "./contender.ts";
import { idleTable, loadTable, partsTable, summarise } from "./report.ts";
import { type LoadRound, type Runner, startRunner } from "./rounds.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    concurrency: { type: "string", default: "1,10,100,1000" },
    contenders: { type: "string", default: "limit-1,limit-2,riposte,graphql,dbos" },
    idle: { type: "string", default: "150" },
  },
});

/** What the tables call them. */
const titles: Readonly<Record<string, string>> = {
  "limit-1": "limit",
  "limit-2": "limit, two rows a step",
  riposte: "Riposte",
  graphql: "Riposte by GraphQL",
  dbos: "DBOS",
};

/** More runs at once only make DBOS slower: beyond this it is measured at both, and its better one counts. */
const dbosLoads = [100, 400];

/** The same for every contender; checkpoints between the rounds, not in them. fsync and the rest are PostgreSQL's defaults. */
const postgresSettings = { shared_buffers: "512MB", max_wal_size: "8GB", min_wal_size: "2GB" };

await main();

async function main(): Promise<void> {
  const directory = await mkdtemp(path.join(os.tmpdir(), "riposte-bench-"));
  const results = path.join(import.meta.dirname, "..", "results");
  await mkdir(results, { recursive: true });
  const postgres = await startEmbeddedPostgres({
    dataDirectory: directory,
    log: silentLog,
    settings: postgresSettings,
  });
  const runners: Runner[] = [];
  try {
    const admin = new Client(clientOf(postgres.address));
    await admin.connect();
    for (const key of options.contenders.split(",")) {
      const database = `bench_${key.replace("-", "_")}`;
      await admin.query(`create database ${database}`);
      const place = { ...(postgres.address as Place), database };
      runners.push(await startRunner(titles[key] ?? key, key, { place, postmaster: postgres.pid }));
    }
    const report = await measureAll(runners, admin, results);
    await admin.end();
    await writeFile(path.join(results, `${report.at.replaceAll(":", "-")}.json`), JSON.stringify(report, undefined, 2));
  } finally {
    await Promise.all(runners.map((runner) => runner.close()));
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function measureAll(runners: readonly Runner[], admin: Client, results: string) {
  const at = new Date().toISOString().slice(0, 19);
  const machine = `${os.cpus().length} × ${os.cpus()[0]?.model ?? "?"}, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.type()} ${os.release()}, Node ${process.version}`;
  const version = (await admin.query("show server_version")).rows[0] as { server_version: string };
  process.stdout.write(`${at} on ${machine}, PostgreSQL ${version.server_version}\n`);
  const loads = await measureLoads(runners, admin);
  const rows = summarise(loads);
  process.stdout.write(`\n${loadTable(rows)}\n`);
  const idle = await measureIdleStarts(runners);
  process.stdout.write(`\n${idleTable(idle)}\n`);
  const parts = await profileOwn(runners, path.join(results, "riposte.cpuprofile"));
  const busiest = rows.findLast(({ contender }) => contender === titles["riposte"]);
  if (parts) process.stdout.write(`\n${partsTable(parts, busiest?.nodeUs ?? Number.NaN)}\n`);
  return { at, machine, postgres: version.server_version, postgresSettings, rows, idle, parts, loads };
}

/** Round after round, and within one all contenders one after the other: what drifts, drifts for all of them. */
async function measureLoads(runners: readonly Runner[], admin: Client): Promise<readonly LoadRound[]> {
  const rounds: LoadRound[] = [];
  // Compiled code, warm caches and log segments that are there already: for all of them before anything counts.
  for (const runner of runners) {
    const [concurrency] = loadsOf(runner, 1_000);
    if (concurrency === undefined) continue;
    await runner.ask({ type: "LOAD", load: { concurrency, warmUpMs: 500, measureMs: 2_000 } });
  }
  const measureMs = Number(options.seconds) * 1_000;
  for (const group of options.concurrency.split(",").map(Number)) {
    for (let round = 0; round < Number(options.rounds); round += 1) {
      for (const runner of runners) {
        for (const concurrency of loadsOf(runner, group)) {
          await admin.query("checkpoint");
          const { measured, processors } = await runner.ask({
            type: "LOAD",
            load: { concurrency, warmUpMs: 700, measureMs },
          });
          rounds.push({ contender: runner.name, group, round, concurrency, measured, processors });
          const rate = (measured.steps / measured.seconds).toFixed(0);
          process.stderr.write(
            `  ${group}, round ${round + 1}: ${runner.name}, ${concurrency} at once: ${rate} steps/s\n`,
          );
        }
      }
    }
  }
  return rounds;
}

function loadsOf(runner: Runner, group: number): readonly number[] {
  if (runner.name === titles["graphql"]) return []; // only its start when idle is of interest
  return runner.name === titles["dbos"] && group > dbosLoads[0]! ? dbosLoads : [group];
}

async function measureIdleStarts(runners: readonly Runner[]) {
  const startMs = new Map<string, number[]>();
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const runner of runners) {
      if (runner.name.startsWith("limit")) continue;
      if (round === 0) await runner.ask({ type: "IDLE", count: 100, pauseMs: 1 });
      const answer = await runner.ask({ type: "IDLE", count: Number(options.idle), pauseMs: 15 });
      startMs.set(runner.name, [...(startMs.get(runner.name) ?? []), ...answer.startMs]);
    }
  }
  return Object.fromEntries([...startMs].map(([name, all]) => [name, { ...percentiles(all), count: all.length }]));
}

async function profileOwn(runners: readonly Runner[], file: string) {
  const own = runners.find(({ name }) => name === titles["riposte"]);
  const load = { concurrency: 1_000, warmUpMs: 500, measureMs: 4_000 };
  return own && (await own.ask({ type: "PROFILE", load, file })).parts;
}

function clientOf(address: unknown) {
  const { socketDirectory, user } = address as Place;
  return { host: socketDirectory, user, database: "postgres" };
}
