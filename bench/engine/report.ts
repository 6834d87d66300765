import { median } from "./closed-loop.ts";
import type { Part } from "./profile.ts";
import type { LoadRound } from "./rounds.ts";

/** One contender at one concurrency: medians over the rounds. */
export interface Row {
  readonly contender: string;
  readonly concurrency: number;
  readonly stepsPerSecond: { readonly median: number; readonly min: number; readonly max: number };
  readonly runMs: { readonly p50: number; readonly p99: number };
  readonly stepMs: { readonly p50: number; readonly p99: number };
  readonly nodeUs: number;
  readonly postgresUs: number;
}

export function summarise(rounds: readonly LoadRound[]): readonly Row[] {
  const groups = Map.groupBy(rounds, ({ contender, concurrency }) => `${concurrency} ${contender}`);
  return [...groups.values()].map((group) => {
    const { contender, concurrency } = group[0]!;
    const of = (value: (round: LoadRound) => number) => median(group.map(value));
    const rates = group.map(({ measured }) => measured.steps / measured.seconds);
    return {
      contender,
      concurrency,
      stepsPerSecond: { median: median(rates), min: Math.min(...rates), max: Math.max(...rates) },
      runMs: { p50: of(({ measured }) => measured.run.p50), p99: of(({ measured }) => measured.run.p99) },
      stepMs: { p50: of(({ measured }) => measured.step.p50), p99: of(({ measured }) => measured.step.p99) },
      nodeUs: of(({ processors }) => processors.nodeUs),
      postgresUs: of(({ processors }) => processors.postgresUs),
    };
  });
}

/** The tables for people, in Markdown. */
export function loadTable(rows: readonly Row[]): string {
  const lines = [
    "| runs at once | contender | steps/s [min..max] | × limit | × DBOS | step p50 / p99 ms | run p50 / p99 ms | CPU µs/step node / pg |",
    "|---|---|---|---|---|---|---|---|",
  ];
  for (const row of rows) {
    const { stepsPerSecond: rate, stepMs, runMs } = row;
    lines.push(
      `| ${row.concurrency} | ${row.contender} | ${count(rate.median)} [${count(rate.min)}..${count(rate.max)}] | ${ratio(row, limitFor(rows, row))} | ${ratio(row, dbosFor(rows, row))} | ${ms(stepMs.p50)} / ${ms(stepMs.p99)} | ${ms(runMs.p50)} / ${ms(runMs.p99)} | ${us(row.nodeUs)} / ${us(row.postgresUs)} |`,
    );
  }
  return lines.join("\n");
}

export function idleTable(idle: Readonly<Record<string, { p50: number; p99: number; count: number }>>): string {
  const lines = ["| idle: asked for → first executor called | p50 / p99 ms | n |", "|---|---|---|"];
  for (const [name, { p50, p99, count: n }] of Object.entries(idle))
    lines.push(`| ${name} | ${ms(p50)} / ${ms(p99)} | ${n} |`);
  return lines.join("\n");
}

export function partsTable(parts: readonly Part[], nodeUs: number): string {
  const lines = ["| part of Riposte's process | % | µs/step |", "|---|---|---|"];
  for (const { name, share } of parts) {
    if (share >= 0.003) lines.push(`| ${name} | ${(share * 100).toFixed(1)} | ${us(share * nodeUs)} |`);
  }
  return lines.join("\n");
}

/** The limit under the same load; DBOS at whichever of its loads it was best at once it is past that, else under the same. */
function limitFor(rows: readonly Row[], { concurrency }: Row): Row | undefined {
  return rows.find((row) => row.contender === "limit" && row.concurrency === concurrency);
}

function dbosFor(rows: readonly Row[], { concurrency }: Row): Row | undefined {
  const own = rows.filter(({ contender }) => contender === "DBOS");
  const same = own.find((row) => row.concurrency === concurrency);
  if (same && concurrency < 100) return same;
  return own
    .filter((row) => row.concurrency >= 100)
    .sort((a, b) => b.stepsPerSecond.median - a.stepsPerSecond.median)[0];
}

function ratio(row: Row, to: Row | undefined): string {
  if (!to || to === row) return "";
  const value = row.stepsPerSecond.median / to.stepsPerSecond.median;
  return value >= 10 ? value.toFixed(0) : value.toFixed(2);
}

function count(value: number): string {
  return value >= 10_000 ? `${(value / 1_000).toFixed(1)}k` : value.toFixed(0);
}

function ms(value: number): string {
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function us(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
