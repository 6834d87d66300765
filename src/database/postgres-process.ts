import { spawn } from "node:child_process";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { type Account, runAs } from "./postgres-account.ts";
import { superuser } from "./postgres-cluster.ts";

/** What one postmaster is started with. */
export interface PostgresPlan {
  readonly program: string;
  readonly account: Account;
  readonly clusterDirectory: string;
  readonly socketDirectory: string;
  /** Settings of PostgreSQL on top of ours, by name. */
  readonly settings: Readonly<Record<string, string>>;
  readonly log: Log;
}

/** A postmaster that this process started. */
export interface PostgresProcess {
  readonly pid: number;
  /** Settles when the postmaster has ended, however. */
  readonly exited: Promise<void>;
  /** Waits for transactions to roll back and the checkpoint (fast shutdown); forces it when that takes too long. */
  stop(): Promise<void>;
  /** Asks it to stop, without waiting: for the last moment of this process. */
  interrupt(): void;
}

const ownSettings = {
  listen_addresses: "", // the Unix socket only: no port that could be taken, or reached from elsewhere
  port: "5432",
  logging_collector: "off",
  // Lines of level ERROR quote values of rows; the rest says how the server is.
  log_min_messages: "log",
  log_checkpoints: "off",
  timezone: "UTC",
  max_connections: "100",
  shared_buffers: "128MB",
};

/**
 * Starts PostgreSQL and waits until it answers a query, through the recovery after a crash if need be.
 * @throws Error with its last words when it ends before.
 */
export async function startPostgres(plan: PostgresPlan): Promise<PostgresProcess> {
  const running = spawnPostgres(plan);
  try {
    await waitUntilReady(plan, running);
    return running;
  } catch (error) {
    await running.stop();
    throw error;
  }
}

interface Spawned extends PostgresProcess {
  hasExited(): boolean;
  lastWords(): string;
}

function spawnPostgres({ program, account, clusterDirectory, socketDirectory, settings, log }: PostgresPlan): Spawned {
  const options = Object.entries({ ...ownSettings, ...settings }).flatMap(([name, value]) => [
    "-c",
    `${name}=${value}`,
  ]);
  const invocation = runAs(account, {
    file: program,
    arguments: ["-D", clusterDirectory, "-k", socketDirectory, ...options],
    reach: [path.dirname(program), clusterDirectory, socketDirectory],
  });
  const child = spawn(invocation.file, invocation.arguments, {
    ...invocation.options,
    stdio: ["ignore", "ignore", "pipe"],
    // Out of the terminal's process group: Ctrl-C is for us, and the database is needed until we have drained.
    detached: true,
  });
  let words = "";
  let hasExited = false;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-limits.postgresLastWordsLengthMax);
    for (const line of text.split("\n").filter(Boolean)) log.debug({ line }, "postgres.line");
  });
  const exited = new Promise<void>((resolve) => {
    const end = () => {
      hasExited = true;
      resolve();
    };
    child.once("exit", end);
    child.once("error", (error) => {
      words += error.message;
      end();
    });
  });
  const state = { pid: child.pid ?? 0, exited, hasExited: () => hasExited, lastWords: () => words };
  const kill = (signal: NodeJS.Signals) => void child.kill(signal);
  return { ...state, interrupt: () => kill("SIGINT"), stop: () => stopGently(state, kill) };
}

async function stopGently(
  { exited, hasExited }: Pick<Spawned, "exited" | "hasExited">,
  kill: (signal: NodeJS.Signals) => void,
): Promise<void> {
  const steps = [
    ["SIGINT", limits.postgresStopMs],
    ["SIGQUIT", limits.postgresQuitMs],
    ["SIGKILL", limits.postgresQuitMs],
  ] as const;
  for (const [signal, forMs] of steps) {
    if (hasExited()) return;
    kill(signal);
    await Promise.race([exited, sleep(forMs, undefined, { ref: false })]);
  }
}

async function waitUntilReady({ clusterDirectory, socketDirectory }: PostgresPlan, running: Spawned): Promise<void> {
  const end = performance.now() + limits.postgresReadyMs;
  for (;;) {
    if (await answers(socketDirectory)) return;
    if (running.hasExited()) {
      throw new Error(`The embedded PostgreSQL in ${clusterDirectory} did not start:\n${running.lastWords()}`);
    }
    if (performance.now() > end) {
      throw new Error(`The embedded PostgreSQL in ${clusterDirectory} is not ready:\n${running.lastWords()}`);
    }
    await sleep(10);
  }
}

async function answers(socketDirectory: string): Promise<boolean> {
  const timeouts = { connectionTimeoutMillis: limits.postgresAnswerMs, query_timeout: limits.postgresAnswerMs };
  const client = new pg.Client({ host: socketDirectory, user: superuser, database: "postgres", ...timeouts });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("select 1");
    return true;
  } catch {
    return false;
  } finally {
    // Not waited for: a PostgreSQL that is dying may leave it unanswered.
    void client.end().catch(() => undefined);
  }
}
