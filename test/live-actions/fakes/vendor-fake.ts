// What every fake of a vendor is made of: routes on loopback that check what they are asked, calls that are kept, and faults to order.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Json } from "../../../src/core/json.ts";

export type FaultKind =
  /** 403, with words that repeat all that was sent, secrets too. */
  | "refused"
  | "unauthorised"
  /** 429 and 503, each with Retry-After: 0. */
  | "busy"
  | "unavailable"
  /** 500 without Retry-After. */
  | "broken"
  /** 200 with JSON that breaks off. */
  | "garbled"
  /** 200 with a page of HTML. */
  | "web page"
  /** 200 with JSON of another shape. */
  | "misshapen"
  /** No answer at all. */
  | "silent"
  /** A connection that ends within the answer. */
  | "cut off";

export interface Fault {
  readonly kind: FaultKind;
  /** The name of the call, as in `calls`. */
  readonly at: string;
  /** Which call of that name is the first to be met, counted from 0. */
  readonly from: number;
  /** How many calls of that name are met; all from there where it is left out. */
  readonly times?: number;
}

export interface Behaviour {
  readonly fault?: Fault;
  /** The vendor knows no such target. */
  readonly lacksTarget?: boolean;
}

export interface FakeCall {
  /** `POST /path?query` as it was sent, unless the route names it otherwise. */
  readonly name: string;
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface FakeAnswer {
  readonly status?: number;
  readonly json?: Json;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface FakeRoute {
  readonly method: string;
  /** Of the whole path as it was sent, without the query. Narrow: what a hostile target makes of a path must match no route. */
  readonly path: RegExp;
  /** For vendors whose path does not tell what is asked, e.g. `EC2 RevokeSecurityGroupIngress`. */
  readonly name?: (call: Omit<FakeCall, "name">) => string;
  /** @param match Of the path; its groups are still encoded. What it throws is answered with 500 and kept in `mistakes`. */
  readonly answer: (call: FakeCall, match: RegExpExecArray) => FakeAnswer;
}

export interface VendorFake {
  /** All that the adapter needs to find the fake and to sign in to it. */
  readonly credentials: Readonly<Record<string, string>>;
  /** In the order they came, those that met a fault too. */
  readonly calls: readonly FakeCall[];
  /** How often somebody connected, whatever was asked then. */
  connectionCount(): number;
  /** Calls that no route knows, and what routes threw. Empty at the end of every test. */
  readonly mistakes: readonly string[];
  /** Forgets the calls up to now, and meets those to come with this fault; what was done at the fake stays done. */
  restart(fault: Fault | undefined): void;
  close(): Promise<void>;
}

interface FakeOptions {
  readonly behaviour: Behaviour;
  readonly routes: readonly FakeRoute[];
  /** @param origin Where the fake listens, e.g. `http://127.0.0.1:41234`. */
  readonly credentials: (origin: string) => Readonly<Record<string, string>>;
}

export async function startVendorFake({ behaviour, routes, credentials }: FakeOptions): Promise<VendorFake> {
  const calls: FakeCall[] = [];
  const mistakes: string[] = [];
  let { fault } = behaviour;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const read = await readCall(request);
    const route = routes.find(({ method, path }) => method === read.method && path.test(read.url.pathname));
    const call = { ...read, name: route?.name?.(read) ?? `${read.method} ${request.url}` };
    calls.push(call);
    if (!route) mistakes.push(`No route for ${call.name}`);
    const met = faultFor(fault, calls, call);
    if (met) {
      misbehave(met, call, response);
      return;
    }
    const match = route?.path.exec(read.url.pathname);
    try {
      answer(response, route && match ? route.answer(call, match) : { status: 404, json: { message: "no such path" } });
    } catch (error) {
      mistakes.push(`${call.name}: ${error}`);
      answer(response, { status: 500, json: { message: "the fake failed" } });
    }
  };
  const server = createServer((request, response) => void handle(request, response));
  let connectionCount = 0;
  server.on("connection", () => {
    connectionCount += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    credentials: credentials(origin),
    calls,
    connectionCount: () => connectionCount,
    mistakes,
    restart: (next) => {
      calls.length = 0;
      fault = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readCall(request: IncomingMessage): Promise<Omit<FakeCall, "name">> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  const url = new URL(request.url ?? "/", "http://fake.example");
  return { method: request.method ?? "", url, headers: request.headers, body };
}

function faultFor(fault: Fault | undefined, calls: readonly FakeCall[], call: FakeCall): FaultKind | undefined {
  if (fault?.at !== call.name) return undefined;
  const occurrence = calls.filter(({ name }) => name === call.name).length - 1;
  const isMet = occurrence >= fault.from && occurrence < fault.from + (fault.times ?? Number.POSITIVE_INFINITY);
  return isMet ? fault.kind : undefined;
}

function misbehave(kind: FaultKind, call: FakeCall, response: ServerResponse): void {
  if (kind === "silent") return;
  if (kind === "cut off") {
    response.writeHead(200, { "content-type": "application/json", "content-length": "1000" }).write('{"id":');
    response.destroy();
  } else answer(response, faultyAnswers[kind](call));
}

const faultyAnswers: Readonly<Record<Exclude<FaultKind, "silent" | "cut off">, (call: FakeCall) => FakeAnswer>> = {
  refused: (call) => {
    const words = `not with ${call.headers.authorization} and ${call.body}`;
    return { status: 403, json: { errorSummary: words, errors: [{ code: 403, message: words }], error: words } };
  },
  unauthorised: () => ({ status: 401, json: { message: "the token is not valid" } }),
  busy: () => ({ status: 429, headers: { "retry-after": "0" }, json: { message: "too many requests" } }),
  unavailable: () => ({ status: 503, headers: { "retry-after": "0" }, text: "later" }),
  broken: () => ({ status: 500, json: { message: "something broke" } }),
  garbled: () => ({ text: '{"id": "1', headers: { "content-type": "application/json" } }),
  "web page": () => ({ text: "<html><body>Please sign in</body></html>", headers: { "content-type": "text/html" } }),
  misshapen: () => ({ json: { unexpected: [null, { deep: true }] } }),
};

function answer(response: ServerResponse, { status = 200, json, text, headers }: FakeAnswer): void {
  const body = json === undefined ? (text ?? "") : JSON.stringify(json);
  response.writeHead(status, { ...(json !== undefined && { "content-type": "application/json" }), ...headers });
  response.end(body);
}
