import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { limits } from "../core/limits.ts";
import { type FromPlugin, readFromPlugin, type ToPlugin } from "./plugin-messages.ts";
import type { PluginOutput } from "./plugin-output.ts";

/** One life of a plugin. */
export interface PluginThread {
  post(message: ToPlugin): void;
  /** Asks whether its event loop turns; ends it where it does not say so in time. */
  probe(): void;
  /** Ends it, whatever it does, and waits a little until it is gone. */
  end(reason: string): Promise<void>;
}

interface ThreadOptions {
  /** What is imported: a URL or a package. */
  readonly specifier: string;
  readonly name: string;
  readonly output: PluginOutput;
  onMessage(message: FromPlugin): void;
  /** Once. Nothing is heard of it after that. */
  onEnd(reason: string): void;
}

/** Starts a thread with a plugin, which has nothing of this process's environment, arguments or output. */
export function startThread({ specifier, name, output, onMessage, onEnd }: ThreadOptions): PluginThread {
  const worker = new Worker(new URL("./plugin-worker.ts", import.meta.url), {
    ...{ workerData: { specifier }, name: `plugin ${name}`.slice(0, 64) },
    ...{ env: {}, argv: [], execArgv: [], stdin: false, stdout: true, stderr: true },
    resourceLimits: {
      maxOldGenerationSizeMb: limits.pluginHeapMebibytesMax,
      stackSizeMb: limits.pluginStackMebibytesMax,
    },
  });
  output.read(worker.stdout, "stdout");
  output.read(worker.stderr, "stderr");
  let isOver = false;
  let probing: NodeJS.Timeout | undefined;
  const looking = watchBuffers(worker, (reason) => void end(reason));
  const over = (reason: string) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(probing);
    clearInterval(looking);
    onEnd(reason);
  };
  const end = async (reason: string) => {
    over(reason);
    await Promise.race([worker.terminate(), delay(limits.pluginGoneMs, undefined, { ref: false })]);
  };
  const answers = countAnswers(() => probing !== undefined);
  worker.on("message", (text: unknown) => {
    if (isOver) return;
    const message = readFromPlugin(text);
    // Not of our half of the thread: the plugin itself speaks to the server, and could do so faster than anybody listens.
    if (!message || !answers.isExpected(message)) return void end("it sent a message of its own to the server");
    if (message.type !== "pong") return onMessage(message);
    clearTimeout(probing);
    probing = undefined;
  });
  worker.on("messageerror", () => void end("it sent a message of its own to the server"));
  worker.on("error", (error: unknown) => over(reasonOf(error)));
  worker.on("exit", (code) => over(`it ended with code ${code}`));
  return {
    post(message) {
      if (isOver) return;
      if (message.type === "call") answers.expect();
      worker.postMessage(JSON.stringify(message));
    },
    probe() {
      if (isOver || probing) return;
      probing = setTimeout(() => void end("it did not answer"), limits.pluginPongMs);
      worker.postMessage(JSON.stringify({ type: "ping" } satisfies ToPlugin));
    },
    end,
  };
}

/** The engine bounds a thread's heap only; buffers are elsewhere. */
function watchBuffers(worker: Worker, onTooMuch: (reason: string) => void): NodeJS.Timeout {
  const most = limits.pluginBuffersMebibytesMax;
  const look = async () => {
    // A thread that has just ended has none.
    const statistics = await worker.getHeapStatistics().catch(() => undefined);
    if (statistics && statistics.external_memory > most * 2 ** 20) {
      onTooMuch(`it needed more than ${most} MiB of buffers`);
    }
  };
  return setInterval(() => void look(), limits.pluginBuffersLookMs).unref();
}

/** What a thread may say: one answer to each call, one to each probe, and once how its setup ended. */
function countAnswers(isProbed: () => boolean) {
  let unanswered = 0;
  let isSetUp = false;
  return {
    expect() {
      unanswered += 1;
    },
    isExpected(message: FromPlugin): boolean {
      if (message.type === "pong") return isProbed();
      if ("id" in message) return unanswered-- > 0;
      const isFirst = !isSetUp;
      isSetUp = true;
      return isFirst;
    },
  };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "it threw outside of a call";
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ERR_WORKER_OUT_OF_MEMORY") return `it needed more than ${limits.pluginHeapMebibytesMax} MiB`;
  // The message is the plugin's own, and may hold what it was handed.
  return `it threw ${/^\w{1,64}$/.test(error.name) ? error.name : "an error"} outside of a call`;
}
