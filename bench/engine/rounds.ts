import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import type { Answer, Order, Processors } from "./child.ts";
import type { Measured } from "./closed-loop.ts";
import type { Place } from "./contender.ts";

/** One measurement. Those of the same group and round were made right after one another: only they are compared. */
export interface LoadRound {
  readonly contender: string;
  /** How many runs at once the table's line is about; DBOS, which is slower with more, has its own best there. */
  readonly group: number;
  readonly round: number;
  readonly concurrency: number;
  readonly measured: Measured;
  readonly processors: Processors;
}

/** A contender in a process of its own, so that neither memory nor compiled code of one is another's. */
export interface Runner {
  readonly name: string;
  ask<Type extends Order["type"]>(order: Extract<Order, { type: Type }>): Promise<Extract<Answer, { type: Type }>>;
  close(): Promise<void>;
}

export async function startRunner(
  name: string,
  key: string,
  { place, postmaster }: { place: Place; postmaster: number },
): Promise<Runner> {
  const child = fork(path.join(import.meta.dirname, "child.ts"), [key, JSON.stringify(place), String(postmaster)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    // As `npm start` has it; the same for every contender.
    execArgv: ["--min-semi-space-size=64", "--max-semi-space-size=64"],
  });
  await nextAnswer(child, name);
  return {
    name,
    ask: async (order) => {
      child.send(order);
      return (await nextAnswer(child, name)) as never;
    },
    close: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.send({ type: "CLOSE" } satisfies Order);
      }),
  };
}

function nextAnswer(child: ChildProcess, name: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`The process of ${name} ended with ${code}.`));
    child.once("exit", onExit);
    child.once("message", (message) => {
      child.off("exit", onExit);
      resolve(message as Answer);
    });
  });
}
