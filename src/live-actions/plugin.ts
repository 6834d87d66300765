import type { Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { type AskPlugin, answerInvalid, contradictionOf, PluginError } from "./plugin-adapter.ts";
import { type FromPlugin, type PluginDeclaration, readDeclaration } from "./plugin-messages.ts";
import { PluginOutput } from "./plugin-output.ts";
import { type PluginThread, startThread } from "./plugin-thread.ts";

interface PluginParts {
  /** As it is configured. */
  readonly origin: string;
  readonly specifier: string;
  readonly log: Log;
}

interface Waiting {
  resolve(value: Json): void;
  reject(error: unknown): void;
}

/** One plugin: the thread that it lives in now, the calls that it has to answer, and its next life when this one ends. */
export class Plugin {
  readonly #parts: PluginParts;
  readonly #output: PluginOutput;
  readonly #calls = new Map<number, Waiting>();
  #lastId = 0;
  /** The newest, ready or not. */
  #newest: PluginThread | undefined;
  /** Settles when there is a thread that can be asked; another promise once that has ended. */
  #ready = Promise.withResolvers<PluginThread>();
  #readySince: number | undefined;
  #pairs: readonly string[] = [];
  #failures = 0;
  #restart: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(parts: PluginParts) {
    this.#parts = parts;
    this.#output = new PluginOutput(parts.origin, parts.log);
  }

  /** Its first start. @throws Error that says what is wrong, without the plugin's name; it has ended then. */
  async start(): Promise<readonly PluginDeclaration[]> {
    const declarations = await this.#begin();
    this.#pairs = declarations.map(pairOf);
    const { origin: plugin, log } = this.#parts;
    log.info({ plugin, pairs: this.#pairs }, "plugin.started");
    return declarations;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#restart);
    await this.#newest?.end("the server stops");
  }

  readonly ask: AskPlugin = async (question, { signal, secrets }) => {
    let thread = await this.#available(signal);
    // It may have ended in the same turn.
    while (this.#readySince === undefined || this.#newest !== thread) thread = await this.#available(signal);
    if (this.#calls.size >= limits.pluginCallsMax) throw unavailable("has too much to do");
    this.#output.hide(secrets);
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<Json>();
    const giveUp = () => {
      thread.post({ type: "abort", id });
      thread.probe();
      reject(signal.reason);
    };
    this.#calls.set(id, { resolve, reject });
    signal.addEventListener("abort", giveUp);
    try {
      thread.post({ type: "call", id, ...question });
      return await promise;
    } finally {
      this.#calls.delete(id);
      signal.removeEventListener("abort", giveUp);
    }
  };

  /** The thread to ask, now or within `limits.pluginReadyMs`. */
  async #available(signal: AbortSignal): Promise<PluginThread> {
    signal.throwIfAborted();
    if (this.#isStopped) throw unavailable("has ended");
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(unavailable("is being started again")), limits.pluginReadyMs);
    const giveUp = () => reject(signal.reason);
    signal.addEventListener("abort", giveUp);
    try {
      return await Promise.race([this.#ready.promise, promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** One life, up to where it can be asked. @throws Error that says why that did not come. */
  async #begin(): Promise<readonly PluginDeclaration[]> {
    const { origin: name, specifier } = this.#parts;
    const setup = Promise.withResolvers<readonly PluginDeclaration[]>();
    const thread = startThread({
      ...{ specifier, name, output: this.#output },
      onMessage: (message) => {
        if (message.type === "broken") setup.reject(new Error(`${message.problem}.`.replace(/\.\.$/, ".")));
        else if (message.type !== "ready") this.#settle(message);
        else settleSetup(setup, message.executors);
      },
      onEnd: (reason) => {
        setup.reject(new Error(`its setup did not end: ${reason}.`));
        if (this.#newest === thread && this.#readySince !== undefined) this.#ended(reason);
      },
    });
    this.#newest = thread;
    const timer = setTimeout(
      () => setup.reject(new Error(`its setup did not end within ${limits.pluginStartMs / 1_000} s.`)),
      limits.pluginStartMs,
    );
    try {
      const declarations = await setup.promise;
      const gone = this.#pairs.filter((pair) => !declarations.map(pairOf).includes(pair));
      if (gone.length > 0) throw new Error(`it does not register ${gone.join(", ")} any more.`);
      if (this.#isStopped) throw new Error("the server stops.");
      this.#readySince = performance.now();
      this.#ready.resolve(thread);
      return declarations;
    } catch (error) {
      await thread.end("its setup failed");
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #settle(message: Exclude<FromPlugin, { type: "ready" | "broken" }>): void {
    if (message.type === "pong") return;
    // Of a call that was given up there is nothing left to settle.
    const call = this.#calls.get(message.id);
    if (message.type === "answer") {
      if (message.value === undefined) call?.reject(answerInvalid("There is none."));
      else call?.resolve(message.value as Json);
    } else if (message.type === "invalid") call?.reject(answerInvalid(message.problem));
    else call?.reject(thrownBy(message));
  }

  /** What it had to answer is not answered; it is started again, later each time it ends soon. */
  #ended(reason: string): void {
    const livedMs = performance.now() - (this.#readySince ?? 0);
    if (livedMs >= limits.pluginSteadyMs) this.#failures = 0;
    this.#ready = Promise.withResolvers();
    this.#readySince = undefined;
    const { origin: plugin, log } = this.#parts;
    if (!this.#isStopped) log.warn({ plugin, reason, calls: this.#calls.size }, "plugin.ended");
    const message = `The plugin ended before it answered: ${reason}. Whether it took effect is unknown: look at the vendor.`;
    for (const call of this.#calls.values()) call.reject(new PluginError("plugin_ended", message));
    this.#startLater();
  }

  #startLater(): void {
    if (this.#isStopped) return;
    const waitMs = Math.min(limits.pluginRestartMs * 2 ** this.#failures, limits.pluginRestartMsMax);
    this.#failures += 1;
    this.#restart = setTimeout(() => void this.#startAgain(), waitMs);
  }

  async #startAgain(): Promise<void> {
    const { origin: plugin, log } = this.#parts;
    try {
      await this.#begin();
      log.info({ plugin }, "plugin.restarted");
    } catch (error) {
      if (this.#isStopped) return;
      log.warn({ plugin, problem: (error as Error).message }, "plugin.not_restarted");
      this.#startLater();
    }
  }
}

function settleSetup(
  { resolve, reject }: { resolve(all: readonly PluginDeclaration[]): void; reject(error: Error): void },
  executors: readonly unknown[],
): void {
  const read = executors.map(readDeclaration);
  const problems = read.flatMap((each) => ("problem" in each ? each.problem : (contradictionOf(each) ?? [])));
  if (problems.length > 0) reject(new Error(problems.join(" ")));
  else if (read.length === 0) reject(new Error("its setup registered no executor."));
  else resolve(read as PluginDeclaration[]);
}

function pairOf({ vendorId, capability }: PluginDeclaration): string {
  return `${vendorId}/${capability}`;
}

/** What a plugin threw, under the name of its class there. */
function thrownBy({ name, message, code }: { name: string; message: string; code?: string | undefined }): Error {
  return Object.assign(new Error(message), { name, ...(code === undefined ? {} : { code }) });
}

function unavailable(why: string): PluginError {
  return new PluginError("plugin_unavailable", `The plugin ${why}; nobody was contacted. Try again later.`);
}
