// npm --prefix bench run live-actions: what a dispatch costs besides its vendor, and how many may ask for the catalogue.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { Client } from "pg";
import { silentLog } from "../../src/core/log.ts";
import { startEmbeddedPostgres } from "../../src/database/embedded-postgres.ts";
import { median } from "../engine/closed-loop.ts";
import type { Place } from "../engine/contender.ts";
import { postgresMs, processMs } from "../engine/processor-time.ts";
import { type BenchVendor, timeOf, vendorTimes } from "./adapters.ts";
import { closedLoop, type Load, type LoadResult } from "./closed-loop.ts";
import { openHttpClient, requestBytes } from "./http-client.ts";
import { dispatchRequest, type OperationText, pages, putCredentials, type Way } from "./requests.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    concurrency: { type: "string", default: "1,50" },
    only: { type: "string", default: "dispatches,pages" },
  },
});

/** The admin of a tenant that is thrown away with its database. */
const token = "bench-admin-token-0123456789";

/** Leads past what is shared: only yoga sees to a charset. */
const aside = { accept: "application/json;charset=utf-8" };
const settings = {
  ...{ shared_buffers: "512MB", max_wal_size: "8GB", min_wal_size: "2GB" },
  // Counts statements, and only when it is told to: `track`.
  ...{ shared_preload_libraries: "pg_stat_statements" },
};

/** One measurement, with the processor time of one request in microseconds. */
interface Measured extends LoadResult {
  readonly title: string;
  readonly concurrency: number;
  readonly nodeUs: number;
  readonly postgresUs: number;
}

const directory = await mkdtemp(path.join(os.tmpdir(), "riposte-bench-"));
const postgres = await startEmbeddedPostgres({ dataDirectory: directory, log: silentLog, settings });
const address = postgres.address as Place;
const admin = new Client({ host: address.socketDirectory, user: address.user, database: address.database });
await admin.connect();
await track("none");
const product = await startProduct();
try {
  const measured = await measureAll();
  const results = path.join(import.meta.dirname, "..", "results");
  await mkdir(results, { recursive: true });
  const at = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  await writeFile(path.join(results, `live-actions-${at}.json`), JSON.stringify(measured, undefined, 2));
} finally {
  product.child.send("close");
  await once(product.child, "exit");
  await admin.end();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
}

async function startProduct(): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const child = fork(path.join(import.meta.dirname, "product.ts"), [JSON.stringify(address), directory, token], {
    // As `npm start` has it.
    execArgv: ["--min-semi-space-size=64", "--max-semi-space-size=64"],
  });
  child.once("exit", (code) => {
    if (code !== 0) throw new Error(`The product ended with ${code}.`);
  });
  const [port] = (await once(child, "message")) as [number];
  return { child, port };
}

async function measureAll() {
  const only = new Set(options.only.split(","));
  process.stdout.write(`fsync ${await setting("fsync")}, synchronous_commit ${await setting("synchronous_commit")}\n`);
  for (const put of putCredentials) await askOnce(put);
  const dispatches = only.has("dispatches") ? await rounds(dispatchMeasurements()) : [];
  print("dispatches over HTTP", dispatches);
  if (only.has("dispatches")) await printStatements();
  const queries = only.has("pages") ? await rounds(pageMeasurements()) : [];
  print("queries over HTTP", queries);
  return { dispatches, queries };
}

async function setting(name: string): Promise<string> {
  const { rows } = await admin.query<Record<string, string>>(`show ${name}`);
  return rows[0]?.[name] ?? "?";
}

type Measurement = readonly [title: string, concurrency: number, measure: (load: Load) => Promise<LoadResult>];

function dispatchMeasurements(): Measurement[] {
  return options.concurrency.split(",").flatMap((text) =>
    Object.keys(vendorTimes).flatMap((vendor) =>
      (["params", "store"] as const).flatMap((credentials): Measurement[] => {
        const concurrency = Number(text);
        const way: Way = { vendor: vendor as BenchVendor, credentials };
        const place = credentials === "params" ? "params" : "the store";
        const title = `vendor takes ${timeOf(way.vendor)}, credential in ${place}`;
        return [[title, concurrency, (load) => overHttp(load, () => dispatchRequest(way))]];
      }),
    ),
  );
}

/** The same page with and without sharing: a variable that no operation declares makes each request one of its own. */
function pageMeasurements(): Measurement[] {
  return Object.entries(pages).flatMap(([title, page]): Measurement[] => {
    let asked = 0;
    const unlike = (): OperationText => ({ ...page, variables: { ...page.variables, asked: asked++ } });
    const shared = requestBytes(page, headers());
    return [
      [`${title}: each by yoga, nothing shared`, 50, (load) => overHttp(load, () => page, aside)],
      [`${title}: nothing shared`, 50, (load) => overHttp(load, unlike)],
      [`${title}: shared`, 50, (load) => overHttp(load, () => shared)],
      [`${title}: shared, alone`, 1, (load) => overHttp(load, () => shared)],
    ];
  });
}

function headers(more: Readonly<Record<string, string>> = {}) {
  return { authorization: `Bearer ${token}`, ...more };
}

async function rounds(measurements: readonly Measurement[]): Promise<readonly Measured[]> {
  const all: Measured[] = [];
  for (const [, concurrency, measure] of measurements) await warmUp(concurrency, measure);
  for (let round = 1; round <= Number(options.rounds); round += 1) {
    for (const [title, concurrency, measure] of measurements) {
      await settle();
      const measureMs = Number(options.seconds) * 1_000;
      const read = () => ({ node: processMs(product.child.pid ?? 0), postgres: postgresMs(postgres.pid) });
      const from = read();
      const result = await measure({ concurrency, warmUpMs: 300, measureMs });
      const to = read();
      const perRequest = (ms: number) => (ms * 1_000) / (result.count * (1 + 300 / measureMs));
      const us = { nodeUs: perRequest(to.node - from.node), postgresUs: perRequest(to.postgres - from.postgres) };
      process.stderr.write(`  round ${round}: ${title}, ${concurrency} at once: ${result.perSecond.toFixed(0)}/s\n`);
      all.push({ title, concurrency, ...result, ...us });
    }
  }
  return all;
}

/** What the measurement before has left is done first: its audit entries are sealed in the background, and are sealed by then. */
async function settle(): Promise<void> {
  for (;;) {
    const { rowCount } = await admin.query("select from audit_entry where sequence is null limit 1");
    if (rowCount === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await admin.query("checkpoint");
}

/** As often as V8 needs to compile what is hot, or for as long as one has patience: on a busy machine that takes a while. */
async function warmUp(concurrency: number, measure: Measurement[2]): Promise<void> {
  if (concurrency === 1) return;
  const until = performance.now() + 10_000;
  for (let count = 0; count < 3_000 && performance.now() < until; ) {
    count += (await measure({ concurrency, warmUpMs: 0, measureMs: 1_000 })).count;
  }
}

async function overHttp(load: Load, next: () => OperationText | Buffer, more = {}): Promise<LoadResult> {
  const client = openHttpClient(product.port, load.concurrency);
  try {
    return await closedLoop(load, (connection) => {
      const request = next();
      const bytes = Buffer.isBuffer(request) ? request : requestBytes(request, headers(more));
      return client.ask(connection, bytes);
    });
  } finally {
    client.close();
  }
}

function askOnce(operation: OperationText): Promise<LoadResult> {
  return overHttp({ concurrency: 1, warmUpMs: 0, measureMs: 1 }, () => operation);
}

/** How many statements and transactions one dispatch takes, one after the other, as PostgreSQL counts them. */
async function printStatements(): Promise<void> {
  await admin.query("create extension if not exists pg_stat_statements");
  const way: Way = { vendor: "bench_at_once", credentials: "store" };
  const count = 200;
  await track("top");
  await admin.query("select pg_stat_statements_reset()");
  const client = openHttpClient(product.port, 1);
  for (let index = 0; index < count; index += 1) {
    await client.ask(0, requestBytes(dispatchRequest(way), headers()));
  }
  client.close();
  const { rows } = await admin.query<{ query: string; calls: string }>(
    `select regexp_replace(query, '\\s+', ' ', 'g') as query, calls from pg_stat_statements where calls >= ${count / 2} order by calls desc, query`,
  );
  process.stdout.write(`\nStatements of ${count} dispatches, credential in the store:\n`);
  for (const { query, calls } of rows) process.stdout.write(`  ${calls}: ${query.slice(0, 110)}\n`);
  await track("none");
}

/** Which statements PostgreSQL counts. The connections of the product take it over when they work next. */
async function track(which: "none" | "top"): Promise<void> {
  await admin.query(`alter system set pg_stat_statements.track = '${which}'`);
  await admin.query("select pg_reload_conf()");
  await new Promise((resolve) => setTimeout(resolve, 500));
}

function print(title: string, measured: readonly Measured[]): void {
  if (measured.length === 0) return;
  const groups = Map.groupBy(measured, (one) => `${one.concurrency} | ${one.title}`);
  process.stdout.write(
    `\n| at once | ${title} | a second [min..max] | total p50 / p99 ms | overhead p50 / p99 ms | CPU us node / pg |\n|---|---|---|---|---|---|\n`,
  );
  for (const [name, own] of groups) {
    const of = (value: (one: Measured) => number, digits = 2) => median(own.map(value)).toFixed(digits);
    const rates = own.map(({ perSecond }) => perSecond);
    const extremes = `[${Math.min(...rates).toFixed(0)}..${Math.max(...rates).toFixed(0)}]`;
    const total = `${of(({ total }) => total.p50)} / ${of(({ total }) => total.p99)}`;
    const overhead = `${of(({ overhead }) => overhead.p50)} / ${of(({ overhead }) => overhead.p99)}`;
    const cpu = `${of(({ nodeUs }) => nodeUs, 0)} / ${of(({ postgresUs }) => postgresUs, 0)}`;
    process.stdout.write(
      `| ${name} | ${of(({ perSecond }) => perSecond, 0)} ${extremes} | ${total} | ${overhead} | ${cpu} |\n`,
    );
  }
}
