// Runs in a thread of its own, with one plugin: imports it, has it register its executors, and calls them.
import { parentPort, workerData } from "node:worker_threads";
import { limits } from "../core/limits.ts";
import { NotPlainJson, plainJsonText } from "./plain-json.ts";
import type { LiveActionExecutor, LiveActionRequest, Setup } from "./plugin-interface.ts";
import type { FromPlugin, PluginQuestion, ToPlugin } from "./plugin-messages.ts";

const executors = new Map<string, LiveActionExecutor>();
const running = new Map<number, AbortController>();
const bounds = { depthMax: limits.documentDepthMax, bytesMax: limits.outputBytesMax };

// In a thread, Node's own process.exit ends the thread; a signal to one's own pid would still end the server. Node takes texts for numbers,
// and a negative one is a group of processes: the server's own may be any of them.
const { kill } = process;
process.kill = (pid, signal) => {
  const number = Number(pid);
  if (number === process.pid || number <= 0) throw new Error("A plugin can't send signals to its server.");
  return kill.call(process, number, signal);
};

async function start(): Promise<void> {
  try {
    const setup = await importSetup((workerData as { readonly specifier: string }).specifier);
    let isOver = false;
    await setup({
      registerExecutor(executor) {
        if (isOver) throw new TypeError("registerExecutor works while setup runs only.");
        register(executor);
      },
    });
    isOver = true;
    const declarations = [...executors.values()].map(declarationOf);
    parentPort?.on("message", (text: string) => hear(JSON.parse(text) as ToPlugin));
    parentPort?.postMessage(`{"type":"ready","executors":${plainJsonText(declarations, bounds)}}`);
  } catch (error) {
    const { name, message } = described(error);
    say({ type: "broken", problem: error instanceof PluginProblem ? message : `setup threw ${name}: ${message}` });
  }
}

/** What is wrong with a plugin, in words of our own. */
class PluginProblem extends Error {}

async function importSetup(specifier: string): Promise<Setup> {
  const module = await import(specifier).catch((error: unknown) => {
    const { name, message } = described(error);
    throw new PluginProblem(`it can't be imported: ${name}: ${message}`);
  });
  const setup: unknown = module.setup ?? module.default?.setup;
  if (typeof setup !== "function") throw new PluginProblem("it exports no function setup");
  return setup as Setup;
}

function register(executor: LiveActionExecutor): void {
  if (typeof executor !== "object" || executor === null) throw new TypeError("registerExecutor takes an object.");
  if (typeof executor.execute !== "function") throw new TypeError("An executor has a method execute.");
  const pair = pairOf(executor);
  if (executors.has(pair)) throw new TypeError(`The plugin registers ${pair} twice.`);
  executors.set(pair, executor);
}

function pairOf({ vendorId, capability }: Pick<LiveActionExecutor, "vendorId" | "capability">): string {
  return `${vendorId}/${capability}`;
}

/** Field by field: an executor may be an instance of a class. */
function declarationOf(executor: LiveActionExecutor): object {
  const { vendorId, capability, description, requiresCredentials, credentialParams } = executor;
  const { impact, reversedBy, isIdempotent, costPerCall, timeoutMs } = executor;
  const hasPreview = typeof executor.preview === "function";
  const hasRollback = typeof executor.rollback === "function";
  const about = { vendorId, capability, description, requiresCredentials, credentialParams };
  return { ...about, impact, reversedBy, isIdempotent, costPerCall, timeoutMs, hasPreview, hasRollback };
}

function hear(message: ToPlugin): void {
  switch (message.type) {
    case "call":
      void answer(message.id, message);
      return;
    case "abort":
      running.get(message.id)?.abort();
      return;
    case "ping":
      say({ type: "pong" });
      return;
    default:
      message satisfies never;
  }
}

async function answer(id: number, question: PluginQuestion): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const text = plainJsonText(await call(question, controller.signal), bounds);
    parentPort?.postMessage(`{"type":"answer","id":${id},"value":${text}}`);
  } catch (error) {
    if (error instanceof NotPlainJson) say({ type: "invalid", id, problem: error.message });
    else say({ type: "threw", id, ...described(error) });
  } finally {
    running.delete(id);
  }
}

function call({ method, request: sent, result, ...pair }: PluginQuestion, signal: AbortSignal): unknown {
  const executor = executors.get(pairOf(pair));
  if (!executor) throw new Error(`The plugin has no ${pairOf(pair)} any more.`);
  const request = { ...sent, signal } as unknown as LiveActionRequest;
  if (method === "preview") return executor.preview?.(sent as unknown as LiveActionRequest);
  if (method === "rollback") return executor.rollback?.(request, result as never);
  return executor.execute(request);
}

/** Whatever was thrown, in three texts: even reading it may throw. */
function described(error: unknown): { name: string; message: string; code?: string } {
  try {
    if (!(error instanceof Error)) return { name: "Error", message: cut(String(error)) };
    const name = error.name === "Error" ? error.constructor.name : error.name;
    const code = "code" in error && typeof error.code === "string" ? { code: cut(error.code) } : {};
    return { name: cut(String(name)), message: cut(String(error.message)), ...code };
  } catch {
    return { name: "Error", message: "It threw what can't be read." };
  }
}

/** Longer than what is kept of it by the largest secret: the server masks first, and cuts then. */
function cut(text: string): string {
  return text.slice(0, limits.textLengthMax + limits.secretBytesMax).toWellFormed();
}

function say(message: FromPlugin): void {
  parentPort?.postMessage(JSON.stringify(message));
}

// Last: classes are not there before their lines have run.
await start();
