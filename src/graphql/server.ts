import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { limits } from "../core/limits.ts";
import { type Admit, createGate, type Gate, rateRefusal } from "./admission.ts";
import { answerMutation, isAcceptable, notAcceptable } from "./answer.ts";
import { documentOf } from "./documents.ts";
import { withoutHttp } from "./errors.ts";
import { isStream, sendEventStream } from "./event-stream.ts";
import { createGraphiql } from "./graphiql.ts";
import { createOrigins, type Origins } from "./origins.ts";
import { type Caller, createPipeline, type Pipeline, type PipelineOptions } from "./pipeline.ts";
import { answerPost, type Download, type PostHandler } from "./posts.ts";
import { refuse, sendJson } from "./refusal.ts";
import { isRefusal, type RequestParams, readParams } from "./request-params.ts";
import { type ServedDocument, sendDocument } from "./served-documents.ts";
import { type Asker, createSharedQueries, type SharedQueries } from "./shared-queries.ts";
import { createSockets, type Sockets } from "./sockets.ts";
import { type StreamWatch, watchStreams } from "./stream-watch.ts";

export interface EdgeOptions extends PipelineOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** What comes before this has resolved waits for it, and the node is not ready; it does not reject. */
  readonly opened?: Promise<void>;
  /** Origins of foreign pages that may call us; `*` for all. */
  readonly allowedOrigins: readonly string[];
  /** Fixed documents for everybody by path, such as `/api/actions/schema`; one that takes work is made when it is first asked for. */
  readonly documents: Readonly<Record<string, ServedDocument>>;
  /** What rooms answer to a POST by path, such as `/events`, or to a GET by a download. */
  readonly posts?: Readonly<Record<string, PostHandler | Download>>;
  /** What this node needs to do its work, by name, and whether it is there. */
  readiness(): Promise<Readonly<Record<string, boolean>>>;
  /** Bounds what callers begin; without it nothing does. */
  readonly admit?: Admit;
  /** Whether the token of an `Authorization` header is a valid one: asked again and again of everybody with an open stream or socket. */
  isSignedIn?(authorization: string): Promise<boolean>;
  /** Addresses and networks of proxies that tell by `X-Forwarded-For` whom they speak for. */
  readonly trustedProxies?: readonly string[];
  /** With whom a caller may share the answers of its queries; undefined: with nobody. */
  askerOf(caller: Caller): Promise<Asker | undefined>;
  /** Shorter ones are for tests. */
  readonly times?: {
    readonly initMs?: number;
    readonly heartbeatMs?: number;
    readonly authorisationMs?: number;
    readonly sharedWaitMs?: number;
  };
}

export interface Edge {
  readonly port: number;
  /** Takes no new connection and begins no new operation; resolves when those under way have been answered. Streams go on. */
  refuseNewWork(): Promise<void>;
  /** Ends what is left, streams and sockets included. */
  close(): Promise<void>;
}

/** What the handlers of one edge share. */
interface Parts {
  readonly options: EdgeOptions;
  readonly pipeline: Pipeline;
  readonly origins: Origins;
  readonly gate: Gate;
  readonly watch: StreamWatch;
  readonly sockets: Sockets;
  readonly sharedQueries: SharedQueries;
  readonly graphiql: ReturnType<typeof createGraphiql>;
  readonly state: { isStopping: boolean; opening: Promise<void> | undefined };
}

/** Opens the one port of the product. @throws the error of `listen` (EADDRINUSE, EACCES). */
export async function openEdge(options: EdgeOptions): Promise<Edge> {
  const { times } = options;
  const isValid =
    options.isSignedIn ??
    (async (authorization: string) => (await options.createContext({ authorization })).isSignedIn);
  const watch = watchStreams(isValid, times?.authorisationMs);
  const gate = createGate(options.admit, options.trustedProxies);
  const pipeline = createPipeline(options, watch);
  const sockets = createSockets({
    pipeline,
    watch,
    isValid,
    gate,
    log: options.log,
    initMs: times?.initMs ?? limits.webSocketInitMs,
    heartbeatMs: times?.heartbeatMs ?? limits.streamHeartbeatMs,
  });
  const origins = createOrigins(options.allowedOrigins);
  const parts: Parts = {
    options,
    pipeline,
    origins,
    gate,
    watch,
    sockets,
    sharedQueries: createSharedQueries({ pipeline, askerOf: options.askerOf, waitMs: times?.sharedWaitMs }),
    graphiql: createGraphiql(),
    state: { isStopping: false, opening: options.opened },
  };
  void options.opened?.then(() => {
    parts.state.opening = undefined;
  });
  const server = createServer({ maxHeaderSize: limits.requestHeaderBytesMax, requestTimeout: limits.requestReceiveMs });
  const underWay = new Set<ServerResponse>();
  server.on("request", (request, response) => {
    underWay.add(response);
    response.once("close", () => underWay.delete(response));
    handle(parts, request, response).catch((error: unknown) => fail(parts, error, response));
  });
  server.on("upgrade", (request, socket, head) => upgrade(parts, request, { socket, head }));
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    async refuseNewWork() {
      parts.state.isStopping = true;
      sockets.refuseOperations();
      server.close();
      const isStreaming = (response: ServerResponse) =>
        String(response.getHeader("content-type")).startsWith("text/event");
      const answered = [...underWay].filter((response) => !isStreaming(response)).map(closed);
      await Promise.race([Promise.all(answered), wait(limits.drainMs)]);
    },
    async close() {
      watch.stop();
      parts.state.isStopping = true;
      await sockets.close();
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server, { host, port }: EdgeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function closed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once("close", resolve));
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

async function handle(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader("x-content-type-options", "nosniff");
  // Answers are one caller's; the page and the event streams say otherwise for themselves.
  response.setHeader("cache-control", "no-store");
  response.on("error", (error) => parts.options.log.debug({ error: error.message }, "edge.answer_lost"));
  request.on("error", (error) => parts.options.log.debug({ error: error.message }, "edge.request_lost"));
  const path = (request.url ?? "").split("?")[0] ?? "";
  if (path === "/health") return sendJson(response, 200, { status: "ok" });
  if (path === "/ready") return answerReadiness(parts, response);
  if (parts.state.opening) await parts.state.opening;
  const { posts = {} } = parts.options;
  const handler = Object.hasOwn(posts, path) ? posts[path] : undefined;
  if (handler) {
    const { origins, gate, watch, pipeline, state } = parts;
    const { isStopping } = state;
    return answerPost({ handler, origins, gate, watch, mask: pipeline.mask, isStopping }, request, response);
  }
  if (parts.state.isStopping) {
    response.setHeader("connection", "close");
    return refuse(request, response, { status: 503, code: "UNAVAILABLE", message: "The server is stopping." });
  }
  if (path === "/graphql") return handleGraphql(parts, request, response);
  const document = Object.hasOwn(parts.options.documents, path) ? parts.options.documents[path] : undefined;
  if (document && (request.method === "GET" || request.method === "HEAD"))
    return sendDocument(document, request, response);
  refuse(request, response, {
    status: 404,
    code: "NOT_FOUND",
    message: "There is nothing here; the API is at /graphql.",
  });
}

async function answerReadiness({ options, state }: Parts, response: ServerResponse): Promise<void> {
  const checks = { ...(await options.readiness()), accepting: !(state.isStopping || state.opening) };
  const isReady = Object.values(checks).every(Boolean);
  sendJson(response, isReady ? 200 : 503, { ready: isReady, checks });
}

async function handleGraphql(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { origin, host, accept = "*/*", authorization } = request.headers;
  if (!parts.origins.isAllowed(origin, host)) {
    return refuse(request, response, {
      status: 403,
      code: "FORBIDDEN_ORIGIN",
      message: "Pages of this origin may not call this server.",
    });
  }
  for (const [name, value] of Object.entries(parts.origins.corsHeaders(origin))) response.setHeader(name, value);
  const method = request.method ?? "";
  if (method === "OPTIONS") return void response.writeHead(204, { allow: "GET, POST" }).end();
  if (method === "GET" && wantsPage(accept)) return parts.graphiql(request, response);
  if (method !== "GET" && method !== "POST") {
    const headers = { allow: "GET, POST" };
    return refuse(request, response, {
      status: 405,
      code: "METHOD_NOT_ALLOWED",
      message: "Use POST, or GET for queries.",
      headers,
    });
  }
  const waitMs = await parts.gate(request);
  if (waitMs > 0) return refuse(request, response, rateRefusal(waitMs));
  const params = await readParams(request);
  if (isRefusal(params)) return refuse(request, response, params);
  const { document, kind } = documentOf(parts.pipeline.documents, params);
  if (kind === "mutation" && method === "GET") {
    return refuse(request, response, {
      status: 405,
      code: "METHOD_NOT_ALLOWED",
      message: "Send mutations by POST.",
      headers: { allow: "POST" },
    });
  }
  const lastEventId = request.headers["last-event-id"];
  const caller: Caller = {
    authorization,
    lastEventId: typeof lastEventId === "string" && lastEventId !== "" ? lastEventId : undefined,
  };
  if (accept.includes("text/event-stream") || kind === "subscription")
    return stream(parts, { params, caller, request }, response);
  if (!isAcceptable(accept)) return refuse(request, response, notAcceptable);
  if (kind === "query" && document) {
    if (await parts.sharedQueries.answer({ document, params, caller, request }, response)) return;
  }
  if (kind === "mutation" && document) {
    if (await answerMutation(parts.pipeline, { ...params, caller }, { request, response })) return;
  }
  // Read and parsed here, within the bounds; yoga takes it as it is.
  Object.assign(request, { method: "POST", url: "/graphql", body: { ...params } });
  Object.assign(request.headers, { "content-type": "application/json", host: "localhost" });
  await parts.pipeline.yoga(request, response, { caller });
}

/** A browser's navigation, and not a client that would take a page as well. */
function wantsPage(accept: string): boolean {
  return accept.includes("text/html") && !/json|event-stream/.test(accept);
}

interface StreamRequest {
  readonly params: RequestParams;
  readonly caller: Caller;
  readonly request: IncomingMessage;
}

async function stream(
  { pipeline }: Parts,
  { params, caller, request }: StreamRequest,
  response: ServerResponse,
): Promise<void> {
  const { accept = "*/*" } = request.headers;
  if (!/text\/(event-stream|\*)|\*\/\*/.test(accept)) {
    return refuse(request, response, {
      status: 406,
      code: "NOT_ACCEPTABLE",
      message: "Subscribe with Accept: text/event-stream.",
    });
  }
  const result = await pipeline.run({ ...params, caller });
  if (response.closed && isStream(result)) return void (await result.return?.(undefined));
  await sendEventStream(response, result);
}

function upgrade(parts: Parts, request: IncomingMessage, { socket, head }: { socket: Duplex; head: Buffer }): void {
  socket.on("error", (error) => parts.options.log.debug({ error: error.message }, "socket.lost"));
  const path = (request.url ?? "").split("?")[0];
  const { origin, host } = request.headers;
  const refuseWith = (status: string) =>
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  if (path !== "/graphql") return void refuseWith("404 Not Found");
  if (!parts.origins.isAllowed(origin, host)) return void refuseWith("403 Forbidden");
  if (parts.state.isStopping) return void refuseWith("503 Service Unavailable");
  const accept = () => parts.sockets.accept(request, socket, head);
  if (parts.state.opening) void parts.state.opening.then(accept);
  else accept();
}

function fail({ options, pipeline }: Parts, error: unknown, response: ServerResponse): void {
  if (response.closed || response.destroyed) {
    options.log.debug({}, "edge.client_gone");
    return;
  }
  const shown = pipeline.mask(error);
  if (response.headersSent) response.destroy();
  else sendJson(response, 500, { errors: [withoutHttp(shown).toJSON()] });
}
