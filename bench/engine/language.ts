// npm --prefix bench run language: what each type of step costs, how late delays are, and what sleeping runs hold.
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { Client } from "pg";
import { newId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { silentLog } from "../../src/core/log.ts";
import { startEmbeddedPostgres } from "../../src/database/embedded-postgres.ts";
import type { Plan, PlanActionStep } from "../../src/playbooks/plan.ts";
import { isTerminal } from "../../src/runs/events.ts";
import { median, percentiles } from "./closed-loop.ts";
import { type Place, sampleContext } from "./contender.ts";
import { openEngine } from "./open-engine.ts";
import { postgresMs, processMs } from "./processor-time.ts";
import { type MeasuredPlan, sleepPlan, stepPlans } from "./step-plans.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    concurrency: { type: "string", default: "1000" },
    sleepers: { type: "string", default: "100000" },
  },
});

/** As decideApproval does it, for all that is asked at once. */
const decideSql = `
with decided as (
  update approval set status = 'APPROVED', decided_at = now(), decided_by_kind = 'TOKEN', decided_by_name = 'bench'
  where tenant_id = $1 and status = 'PENDING' returning id, tenant_id, run_id, step_id
), told as (
  insert into run_signal (id, tenant_id, created_at, run_id, type, body)
  select uuidv7(), tenant_id, now(), run_id, 'APPROVAL', jsonb_build_object('approvalId', id, 'stepId', step_id, 'status', 'APPROVED', 'by', 'bench')
  from decided
)
select run_id as "runId" from decided`;

const directory = await mkdtemp(path.join(os.tmpdir(), "riposte-bench-"));
const settings = { shared_buffers: "512MB", max_wal_size: "8GB", min_wal_size: "2GB" };
const postgres = await startEmbeddedPostgres({ dataDirectory: directory, log: silentLog, settings });
const place = postgres.address as Place;
const plans = new Map<string, Plan>();
const { engine, hub, orm, playbooks, tenantId, ids } = await openEngine(place, () => undefined, plans);
const client = new Client({ host: place.socketDirectory, user: place.user, database: place.database });
await client.connect();
try {
  await compareSteps();
  await measureLateness();
  await measureSleepers(Number(options.sleepers));
} finally {
  await client.end();
  await engine.stop();
  await orm.close(true);
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
}

/** Begins a run; `onEnd` is called when its end is durable. */
async function begin(plan: Plan, playbookVersionId: string, onEnd?: () => void): Promise<void> {
  const id = newId();
  const leave = hub.onRun(id, (events) => {
    if (!events?.some((event) => event.type === "RUN_STATUS" && isTerminal(event.status))) return;
    leave();
    onEnd?.();
  });
  if (!onEnd) leave();
  await engine.begin({
    ...{ id, tenantId, kind: "PLAYBOOK", playbookId: ids.playbookId, playbookVersionId, givenSecrets: {} },
    plan: { ...plan, kind: "PLAYBOOK" },
    context: sampleContext as unknown as JsonObject,
    startedBy: { kind: "SYSTEM", name: "bench" },
  });
}

function known(plan: Plan): string {
  const versionId = newId();
  plans.set(versionId, plan);
  return versionId;
}

interface Cost {
  readonly rate: number;
  readonly us: number;
}

async function compareSteps(): Promise<void> {
  const sample = await playbooks.plan(tenantId, ids.playbookVersionId);
  const measured = stepPlans([...sample.steps.values()][0] as PlanActionStep);
  const costs = new Map<string, Cost[]>();
  for (let round = 0; round <= Number(options.rounds); round += 1) {
    for (const one of measured) {
      await client.query("checkpoint");
      const cost = await costOf(one);
      process.stderr.write(`  ${one.title}: ${cost.rate.toFixed(0)} steps/s, ${cost.us.toFixed(1)} us\n`);
      // The first round warms up.
      if (round > 0) costs.set(one.title, [...(costs.get(one.title) ?? []), cost]);
    }
  }
  const base = costs.get("action") ?? [];
  console.log(
    `\n| type of step, ${options.concurrency} runs at once | steps/s | processor time, us a step | ratio |\n|---|---|---|---|`,
  );
  for (const [title, all] of costs) {
    const ratios = all.map(({ us }, index) => us / (base[index]?.us ?? Number.NaN));
    const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2));
    const rate = median(all.map((one) => one.rate)).toFixed(0);
    const us = median(all.map((one) => one.us)).toFixed(1);
    console.log(`| ${title} | ${rate} | ${us} | ${median(ratios).toFixed(2)} [${low}..${high}] |`);
  }
}

async function costOf({ plan, steps, title }: MeasuredPlan): Promise<Cost> {
  const versionId = known(plan);
  let ended = 0;
  let underWay = 0;
  let isOver = false;
  const idle = Promise.withResolvers<void>();
  const next = () => {
    underWay += 1;
    void begin(plan, versionId, () => {
      underWay -= 1;
      ended += 1;
      if (!isOver) next();
      else if (underWay === 0) idle.resolve();
    });
  };
  const deciding = title === "approval" ? decideAll(() => isOver && underWay === 0) : undefined;
  for (let index = 0; index < Number(options.concurrency); index += 1) next();
  await pause(500);
  const read = () => processMs(process.pid) + postgresMs(postgres.pid);
  const from = { ended, ms: read(), at: performance.now() };
  await pause(Number(options.seconds) * 1_000);
  const to = { ended, ms: read(), at: performance.now() };
  isOver = true;
  await idle.promise;
  await deciding;
  const count = (to.ended - from.ended) * steps;
  return { rate: (count / (to.at - from.at)) * 1_000, us: ((to.ms - from.ms) * 1_000) / count };
}

/** People who say yes at once to whatever they are asked. */
async function decideAll(isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const { rows } = await client.query<{ runId: string }>(decideSql, [tenantId]);
    if (rows.length > 0) await engine.hint(rows.map(({ runId }) => runId));
    else await pause(1);
  }
}

/** Delays of runs in memory: from when they were to be over to their outcome's event. */
async function measureLateness(): Promise<void> {
  const runs = 2_000;
  const ends: Promise<void>[] = [];
  const since = new Date();
  for (let index = 0; index < runs; index += 1) {
    const plan = sleepPlan(500 + Math.floor(Math.random() * 5_000));
    ends.push(new Promise((resolve) => void begin(plan, known(plan), resolve)));
  }
  await Promise.all(ends);
  const { p50, p99 } = percentiles(await lateness(since));
  console.log(`\nDelays of ${runs} runs in memory end late by p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms.`);
}

async function lateness(since: Date): Promise<number[]> {
  const { rows } = await client.query<{ ms: string }>(
    `select extract(epoch from ended.at) * 1000 - (began.body->>'until')::float8 as ms
     from run_event began join run_event ended using (run_id)
     where began.label = 'WAITING' and began.type = 'STEP_STATUS' and ended.label = 'SUCCEEDED' and ended.type = 'STEP_STATUS' and began.at >= $1`,
    [since],
  );
  return rows.map(({ ms }) => Number(ms));
}

/** Runs that sleep out of memory, what they hold there, and how late they wake. */
async function measureSleepers(count: number): Promise<void> {
  if (count === 0) return;
  await client.query("truncate run, run_event");
  const collect = () => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const before = collect();
  const since = new Date();
  const startedAt = performance.now();
  const plan = sleepPlan(60_000);
  const versionId = known(plan);
  for (let begun = 0; begun < count; begun += 500) {
    await Promise.all(Array.from({ length: 500 }, () => begin(plan, versionId)));
    // Woken at the pace that they were begun.
    await pause(Math.max(0, startedAt + (begun / count) * 40_000 - performance.now()));
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const held = collect() - before;
  console.log(
    `\n${count} runs begun in ${seconds.toFixed(1)} s sleep; in memory: ${engine.residentCount()} runs, heap ${(held / 2 ** 20).toFixed(1)} MB more.`,
  );
  for (;;) {
    const { rows } = await client.query<{ n: number }>("select count(*)::int as n from run where finished_at is null");
    if (rows[0]?.n === 0) break;
    await pause(500);
  }
  const late = await lateness(since);
  const { p50, p99 } = percentiles(late);
  console.log(
    `They wake late by p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, at most ${Math.max(...late.slice(0, 100_000)).toFixed(0)} ms.`,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
