import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { runAgent } from "../../src/agent/agent.ts";
import type { Task } from "../../src/agent/task.ts";
import { type FakeServer, startFakeServer } from "./fake-server.ts";

const closers: (() => Promise<unknown>)[] = [];

/** Ends all that was made here; for `afterEach`. */
export async function endAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

export async function fakeServer(port = 0): Promise<FakeServer> {
  const server = await startFakeServer(port);
  closers.push(() => server.close());
  return server;
}

export async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "opservant-test-"));
  closers.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export interface Started {
  readonly said: string[];
  /** Rejects as `runAgent` does. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** Shorter than an agent's own, which are for scripts that are to end well. */
const stopTimes = { graceMs: 0, deliveryMs: 100 };

/** An agent in this process. */
export async function startAgent(
  server: FakeServer | string,
  given: {
    readonly directory?: string;
    readonly token?: string | undefined;
    readonly stopTimes?: typeof stopTimes;
  } = {},
): Promise<Started & { readonly directory: string }> {
  const directory = given.directory ?? (await emptyDirectory());
  const stopping = new AbortController();
  const said: string[] = [];
  const url = typeof server === "string" ? server : server.url;
  const settings = {
    server: url,
    stateDirectory: directory,
    enrolmentToken: "token" in given ? given.token : "enrolment",
  };
  const say = (text: string): void => void said.push(text);
  const ended = runAgent(settings, { say, signal: stopping.signal, stopTimes: given.stopTimes ?? stopTimes });
  ended.catch(() => {});
  const stop = async () => {
    stopping.abort();
    await ended.catch(() => {});
  };
  closers.push(stop);
  return { said, ended, stop, directory };
}

export async function connected(server: FakeServer, count = 1): Promise<void> {
  await expect.poll(() => server.subscriberCount).toBe(count);
}

export async function stageOnDisk(directory: string, { taskId }: Task): Promise<string> {
  return JSON.parse(await readFile(join(directory, "tasks", `${taskId}.json`), "utf8")).stage;
}
