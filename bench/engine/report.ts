import { median, type Percentiles } from "./closed-loop.ts";
import type { Part } from "./profile.ts";
import type { LoadRound } from "./rounds.ts";

/** Median and extremes over the rounds. */
interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** One contender under one load. */
export interface Row {
  readonly contender: string;
  readonly group: number;
  readonly concurrency: number;
  readonly stepsPerSecond: Spread;
  /** Of the rates of the same round; DBOS's is the better of its two. */
  readonly toLimit: Spread;
  readonly toDbos: Spread;
  readonly runMs: Percentiles;
  readonly stepMs: Percentiles;
  readonly nodeUs: number;
  readonly postgresUs: number;
}

export function summarise(rounds: readonly LoadRound[]): readonly Row[] {
  const groups = Map.groupBy(rounds, ({ contender, group, concurrency }) => `${group} ${contender} ${concurrency}`);
  return [...groups.values()].map((own) => {
    const { contender, group, concurrency } = own[0]!;
    const of = (value: (round: LoadRound) => number) => median(own.map(value));
    const against = (other: string) => spread(own.map((round) => rateOf(round) / bestBeside(rounds, round, other)));
    return {
      contender,
      group,
      concurrency,
      stepsPerSecond: spread(own.map(rateOf)),
      toLimit: against("limit"),
      toDbos: against("DBOS"),
      runMs: { p50: of(({ measured }) => measured.run.p50), p99: of(({ measured }) => measured.run.p99) },
      stepMs: { p50: of(({ measured }) => measured.step.p50), p99: of(({ measured }) => measured.step.p99) },
      nodeUs: of(({ processors }) => processors.nodeUs),
      postgresUs: of(({ processors }) => processors.postgresUs),
    };
  });
}

function rateOf({ measured }: LoadRound): number {
  return measured.steps / measured.seconds;
}

function bestBeside(rounds: readonly LoadRound[], beside: LoadRound, contender: string): number {
  const there = rounds.filter(
    (round) => round.contender === contender && round.group === beside.group && round.round === beside.round,
  );
  return there.length === 0 ? Number.NaN : Math.max(...there.map(rateOf));
}

function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** The tables for people, in Markdown. */
export function loadTable(rows: readonly Row[]): string {
  const lines = [
    "| runs at once | contender | steps/s [min..max] | × limit | × DBOS | step p50 / p99 ms | run p50 / p99 ms | CPU µs/step node / pg |",
    "|---|---|---|---|---|---|---|---|",
  ];
  for (const row of rows) {
    const { stepsPerSecond: rate, stepMs, runMs, contender, toLimit, toDbos } = row;
    const cells = [
      row.concurrency,
      contender,
      `${count(rate.median)} [${count(rate.min)}..${count(rate.max)}]`,
      contender === "limit" ? "" : ratio(toLimit),
      contender === "DBOS" ? "" : ratio(toDbos),
      `${ms(stepMs.p50)} / ${ms(stepMs.p99)}`,
      `${ms(runMs.p50)} / ${ms(runMs.p99)}`,
      `${us(row.nodeUs)} / ${us(row.postgresUs)}`,
    ];
    lines.push(`| ${cells.join(" | ")} |`);
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

function ratio({ median: middle, min, max }: Spread): string {
  const text = (value: number) => (value >= 10 ? value.toFixed(0) : value.toFixed(2));
  return Number.isNaN(middle) ? "" : `${text(middle)} [${text(min)}..${text(max)}]`;
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
