import { createServer as createHttpServer, type Server as HttpServer, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { hashOf } from "./chance.ts";
import { type Connection, isHeld } from "./sockets.ts";

/** How a call goes, as the playbook's step asks for it. */
export type Manner = "steady" | "slow" | "flaky" | "shaky" | "later" | "endless";

/** One call of an executor: a request, or a script that holds a connection for as long as anything of it lives. */
export interface VendorCall {
  readonly key: string;
  readonly connection: Connection;
  /** Where the script works; undefined for a request. */
  readonly directory?: string;
  /** Of `performance.now()`. */
  readonly startedAt: number;
  isAnswered: boolean;
}

export interface VendorPorts {
  readonly seed: string;
  /** The name of the node that made the call, if it can be told, and whether that is stopped, or has just woken. */
  readonly callerOf: (call: VendorCall) => { readonly node: string; readonly isDazed: boolean };
}

/** What playbooks of the chaos call: it knows which calls of one Idempotency-Key were ever under way at once. */
export class Vendor {
  /** Calls by their key, in the order they came. */
  readonly calls = new Map<string, VendorCall[]>();
  /** Two calls of one key at once, in words. */
  readonly overlaps: string[] = [];
  /** Those where one was made by a node that was stopped then and could end nothing, or had just woken. */
  excusedCount = 0;
  readonly #ports: VendorPorts;
  readonly #http: HttpServer;
  readonly #scripts: TcpServer;
  readonly #sockets = new Set<Socket>();

  static async open(ports: VendorPorts): Promise<Vendor> {
    const vendor = new Vendor(ports);
    await Promise.all([vendor.#http, vendor.#scripts].map(listening));
    return vendor;
  }

  private constructor(ports: VendorPorts) {
    this.#ports = ports;
    this.#http = createHttpServer((request, response) => {
      const key = String(request.headers["idempotency-key"]);
      const manner = String(request.headers["x-manner"]) as Manner;
      const call = this.#begin(key, request.socket);
      request.resume().on("end", () => this.#answerLater(call, manner, (isFine) => answerHttp(response, isFine)));
    });
    this.#scripts = createTcpServer((socket) => this.#serveScript(socket));
    for (const server of [this.#http, this.#scripts]) {
      server.on("connection", (socket: Socket) => {
        this.#sockets.add(socket);
        socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
      });
    }
  }

  get httpPort(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  get scriptPort(): number {
    return (this.#scripts.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([this.#http, this.#scripts].map((server) => new Promise((resolve) => server.close(resolve))));
  }

  /** A script says its key, its manner and where it works, and ends as it is told. */
  #serveScript(socket: Socket): void {
    let said = "";
    const hear = (text: string) => {
      said += text;
      if (!said.includes("\n")) return;
      socket.off("data", hear);
      const [key = "", manner = "", directory = ""] = said.trim().split(" ");
      const call = this.#begin(key, socket, directory);
      this.#answerLater(call, manner as Manner, (isFine) => socket.write(isFine ? "fine\n" : "broken\n"));
    };
    socket.setEncoding("utf8").on("data", hear);
  }

  #begin(key: string, socket: Socket, directory?: string): VendorCall {
    const connection = { ourPort: socket.localPort ?? 0, theirPort: socket.remotePort ?? 0 };
    const startedAt = performance.now();
    const call = { key, connection, startedAt, isAnswered: false, ...(directory === undefined ? {} : { directory }) };
    const earlier = this.calls.get(key) ?? [];
    for (const other of earlier) if (!other.isAnswered) this.#compare(other, call);
    this.calls.set(key, [...earlier, call]);
    return call;
  }

  #compare(other: VendorCall, call: VendorCall): void {
    if (!isHeld(other.connection) || !isHeld(call.connection)) return;
    const [first, second] = [this.#ports.callerOf(other), this.#ports.callerOf(call)];
    // Also the second may be the stopped one's: it was told to call, and comes to it when it wakes.
    if (first.isDazed || second.isDazed) this.excusedCount += 1;
    else {
      const ms = Math.round(call.startedAt - other.startedAt);
      const isOver = isHeld(other.connection) ? "" : ", and is over by now";
      this.overlaps.push(
        `${call.key}: ${second.node} called while the call of ${first.node}, ${ms} ms older, went on${isOver}`,
      );
    }
  }

  #answerLater(call: VendorCall, manner: Manner, answer: (isFine: boolean) => void): void {
    const count = this.calls.get(call.key)?.length ?? 1;
    const { ms, isFine } = verdictOf(`${this.#ports.seed} ${call.key}`, manner, count);
    if (ms === undefined) return;
    setTimeout(() => {
      call.isAnswered = true;
      answer(isFine);
    }, ms).unref();
  }
}

/** By the seed, the key and how many calls of it there have been; no `ms`: it is never answered. */
function verdictOf(seed: string, manner: Manner, count: number): { readonly ms?: number; readonly isFine: boolean } {
  const [lasting, each] = [hashOf(seed), hashOf(`${seed} ${count}`)];
  switch (manner) {
    case "steady":
      return { ms: 5 + (each % 150), isFine: true };
    case "slow":
      return { ms: 300 + (each % 1_200), isFine: true };
    case "flaky":
      return { ms: 5 + (each % 50), isFine: count > lasting % 3 };
    case "shaky":
      return { ms: 5 + (each % 100), isFine: each % 3 > 0 };
    case "later":
      return { ms: 2_500, isFine: true };
    case "endless":
      return { isFine: true };
    default:
      return manner satisfies never;
  }
}

function answerHttp(response: ServerResponse, isFine: boolean): void {
  response.statusCode = isFine ? 200 : 500;
  response.end(isFine ? '{"fine":true}' : '{"code":"broken","message":"As it was told."}');
}

async function listening(server: HttpServer | TcpServer): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
}
