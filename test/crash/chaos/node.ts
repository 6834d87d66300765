import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startServerProcess } from "../server-process.ts";
import { canSeeConnections, holderOf } from "./sockets.ts";
import type { VendorCall } from "./vendor.ts";

interface NodeOptions {
  readonly name: string;
  readonly databaseUrl: string;
  readonly dataDirectory: string;
  readonly port: number;
  readonly token: string;
}

/** From a start to the next kill. */
interface Life {
  isOver: boolean;
}

type NodeState = "down" | "starting" | "up" | "stopped";

/** The same for all nodes: 32 bytes. */
const secretsKey = Buffer.alloc(32, 5).toString("base64");

/** A server of the cluster, which is started again after each death of its process, as by a supervisor. */
export class ChaosNode {
  readonly name: string;
  readonly dataDirectory: string;
  readonly url: string;
  state: NodeState = "down";
  /** What its processes did that nobody had told them to. */
  readonly mishaps: string[] = [];
  readonly #options: NodeOptions;
  #child: ChildProcess | undefined;
  #life: Life = { isOver: true };
  /** Of `performance.now()`. */
  #dazedUntil = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.name = options.name;
    this.dataDirectory = options.dataDirectory;
    this.url = `http://127.0.0.1:${options.port}/graphql`;
  }

  /** Where its processes' logs are. */
  get logFile(): string {
    return path.join(this.dataDirectory, "log");
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves when it answers, however often it has to be tried (a database that is away ends a start), or when it is killed. */
  async start(): Promise<void> {
    const life = { isOver: false };
    this.#life = life;
    this.state = "starting";
    while (!life.isOver && this.state === "starting") {
      const isUp = await this.#startOnce(life).then(
        () => true,
        () => false,
      );
      if (life.isOver) return;
      if (isUp) this.state = "up";
      else await sleep(100);
    }
  }

  /** SIGKILL, in whatever state it is, and the wait for it. */
  async kill(): Promise<void> {
    this.#endStop();
    this.#life.isOver = true;
    this.state = "down";
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  /** It does nothing any more, and does not know. */
  pause(): void {
    this.state = "stopped";
    this.#dazedUntil = Number.POSITIVE_INFINITY;
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
    this.#endStop();
    if (this.state === "stopped") this.state = "up";
  }

  /** True while it can't be expected to have ended what it had under way: it is stopped, or has just woken. */
  get isDazed(): boolean {
    return performance.now() <= this.#dazedUntil;
  }

  /** Whether this node made the call, as far as it can be told: by where the script works, or by who holds the connection. */
  made({ directory, connection }: VendorCall): boolean {
    if (directory !== undefined) return directory.startsWith(`${this.dataDirectory}/`);
    return this.pid !== 0 && holderOf(connection, [this.pid]) !== undefined;
  }

  /** Whether the call is under way, and this node's; true also where that can't be told. */
  isAt(call: VendorCall): boolean {
    return !call.isAnswered && (!canSeeConnections || this.made(call));
  }

  async #startOnce(life: Life): Promise<void> {
    const { dataDirectory, port, token, databaseUrl } = this.#options;
    await startServerProcess({
      dataDirectory,
      port,
      token,
      // By where a script works one sees whose it is: an isolated one could not say.
      env: { DATABASE_URL: databaseUrl, SECRETS_KEY: secretsKey, LOG_LEVEL: "info", LOCAL_ISOLATION: "off" },
      onSpawn: (child) => this.#watch(child, life),
    });
  }

  #watch(child: ChildProcess, life: Life): void {
    this.#child = child;
    child.stderr?.on("data", (chunk: Buffer) => appendFileSync(this.logFile, chunk));
    child.once("exit", (code, signal) => {
      if (life.isOver || this.state === "starting") return;
      this.mishaps.push(`${this.name} ended by itself, with ${code ?? signal}`);
      void this.start();
    });
  }

  #endStop(): void {
    if (this.state === "stopped") this.#dazedUntil = performance.now() + wakingMs;
  }
}

/** How long a node that wakes may need to find out that it slept, and to end what it has under way: a script has 2 s to go. */
const wakingMs = 4_000;
