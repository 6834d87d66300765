import { Client } from "pg";
import { newId } from "../../src/core/ids.ts";
import { type Contender, type Place, sampleContext, sampleOutput, stepsPerRun } from "./contender.ts";

interface Waiting {
  readonly run: string;
  readonly step: number;
  readonly onDurable: () => void;
}

/** Rows written for one step: its outcome alone, or its beginning and its outcome. */
export type RowsPerStep = 1 | 2;

/**
 * What PostgreSQL takes at most, and nothing besides: rows gather while one statement is under way, on one connection, and go
 * with the next. There is no run, no fence, no event: only steps that are durable before the next one begins.
 */
export async function openRawLimit(place: Place, rowsPerStep: RowsPerStep): Promise<Contender> {
  const table = `step_rows_${rowsPerStep}`;
  const client = new Client({ host: place.socketDirectory, user: place.user, database: place.database });
  await client.connect();
  await client.query(
    `create table if not exists ${table} (run_id uuid, sequence int, at timestamptz not null, body jsonb not null, primary key (run_id, sequence))`,
  );
  const text = `insert into ${table} select r, s, to_timestamp(a / 1000.0), b from unnest($1::uuid[], $2::int[], $3::float8[], $4::jsonb[]) as w(r, s, a, b)`;
  let queue: Waiting[] = [];
  let isFlushing = false;

  const flushAll = async () => {
    while (queue.length > 0) {
      const batch = queue;
      queue = [];
      await client.query({ name: "flush", text, values: rowsOf(batch, rowsPerStep) });
      for (const { onDurable } of batch) onDurable();
    }
    isFlushing = false;
  };
  const append = (waiting: Waiting) => {
    queue.push(waiting);
    if (isFlushing) return;
    isFlushing = true;
    queueMicrotask(() => void flushAll());
  };

  return {
    begin({ onStart, onStep, onEnd }) {
      const run = newId();
      const next = (step: number) => {
        append({
          run,
          step,
          onDurable: () => {
            onStep();
            if (step === stepsPerRun) onEnd();
            else next(step + 1);
          },
        });
      };
      onStart();
      next(1);
    },
    close: () => client.end(),
  };
}

/** The arrays as PostgreSQL's own texts, which is less work than pg's conversion. */
function rowsOf(batch: readonly Waiting[], rowsPerStep: RowsPerStep): string[] {
  const runs: string[] = [];
  const sequences: number[] = [];
  const bodies: string[] = [];
  const at = Date.now();
  for (const { run, step } of batch) {
    if (rowsPerStep === 2) {
      runs.push(run);
      sequences.push(2 * step - 1);
      bodies.push(quoted({ input: { ip: sampleContext.finding.source_ip, duration_hours: 24, step } }));
    }
    runs.push(run);
    sequences.push(rowsPerStep * step);
    bodies.push(quoted({ output: sampleOutput }));
  }
  return [`{${runs}}`, `{${sequences}}`, `{${runs.map(() => at)}}`, `{${bodies}}`];
}

function quoted(body: object): string {
  return `"${JSON.stringify(body).replace(/["\\]/g, "\\$&")}"`;
}
