import { type Load, type Measured, measureIdle, measureLoad } from "./closed-loop.ts";
import type { Contender, Place } from "./contender.ts";
import { postgresMs, processMs } from "./processor-time.ts";
import { type Part, profiled } from "./profile.ts";

/** What the harness asks of a contender's process. */
export type Order =
  | { readonly type: "LOAD"; readonly load: Load }
  | { readonly type: "IDLE"; readonly count: number; readonly pauseMs: number }
  | { readonly type: "PROFILE"; readonly load: Load; readonly file: string }
  | { readonly type: "CLOSE" };

/** Processor time in microseconds for each step: of the contender's process, and of all of PostgreSQL. */
export interface Processors {
  readonly nodeUs: number;
  readonly postgresUs: number;
}

export type Answer =
  | { readonly type: "READY" }
  | { readonly type: "LOAD"; readonly measured: Measured; readonly processors: Processors }
  | { readonly type: "IDLE"; readonly startMs: readonly number[] }
  | { readonly type: "PROFILE"; readonly parts: readonly Part[] };

const openers: Readonly<Record<string, (place: Place) => Promise<Contender>>> = {
  "limit-1": async (place) => (await import("./raw-limit.ts")).openRawLimit(place, 1),
  "limit-2": async (place) => (await import("./raw-limit.ts")).openRawLimit(place, 2),
  dbos: async (place) => (await import("./dbos.ts")).openDbos(place),
  riposte: async (place) => (await import("./riposte.ts")).openRiposte(place),
  graphql: async (place) => (await import("./riposte-graphql.ts")).openRiposteGraphql(place),
};

const [name = "", place = "{}", postmaster = "0"] = process.argv.slice(2);
const open = openers[name];
if (!open) throw new Error(`There is no contender ${name}.`);
const contender = await open(JSON.parse(place) as Place);
const answer = (message: Answer) => void process.send?.(message);
process.on("message", (order: Order) => void obey(order));
answer({ type: "READY" });

async function obey(order: Order): Promise<void> {
  switch (order.type) {
    case "LOAD":
      return answer({ type: "LOAD", ...(await measureWithProcessors(order.load)) });
    case "IDLE":
      return answer({ type: "IDLE", startMs: await measureIdle(contender, order) });
    case "PROFILE": {
      const window = { onBegin: () => undefined, onEnd: () => undefined };
      return answer({
        type: "PROFILE",
        parts: await profiled(order.file, () => measureLoad(contender, order.load, window)),
      });
    }
    case "CLOSE":
      await contender.close();
      process.exit(0);
  }
}

async function measureWithProcessors(load: Load): Promise<{ measured: Measured; processors: Processors }> {
  const read = () => ({ node: processMs(process.pid), postgres: postgresMs(Number(postmaster)) });
  let from = read();
  let to = from;
  const measured = await measureLoad(contender, load, {
    onBegin: () => {
      from = read();
    },
    onEnd: () => {
      to = read();
    },
  });
  const perStep = (ms: number) => (ms * 1_000) / measured.steps;
  return {
    measured,
    processors: { nodeUs: perStep(to.node - from.node), postgresUs: perStep(to.postgres - from.postgres) },
  };
}
