import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ExecutionArgs, ExecutionResult, FormattedExecutionResult, GraphQLError } from "graphql";
import {
  CloseCode,
  handleProtocols,
  MessageType,
  makeServer,
  type Server,
  type ServerOptions,
  type SubscribePayload,
} from "graphql-ws";
import { type WebSocket, WebSocketServer } from "ws";
import { hasMoreValues } from "../core/json-values.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { isNestedDeeper } from "../core/nesting.ts";
import { type Gate, rateError } from "./admission.ts";
import { requestError, sendable, withoutHttp } from "./errors.ts";
import type { Caller, Pipeline } from "./pipeline.ts";
import { createSocketWriter } from "./socket-writer.ts";
import type { StreamWatch } from "./stream-watch.ts";

export interface SocketOptions {
  readonly pipeline: Pipeline;
  readonly log: Log;
  /** Whether the token in the header or the connection's parameters is valid now. */
  isValid(authorization: string): Promise<boolean>;
  /** Tells when it no longer is. */
  readonly watch: Pick<StreamWatch, "whenEnded">;
  readonly gate: Gate;
  readonly initMs: number;
  readonly heartbeatMs: number;
}

export interface Sockets {
  /** Takes over a connection that asks for the protocol of graphql-ws. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** From now on no operation begins; the running ones go on. */
  refuseOperations(): void;
  close(): Promise<void>;
}

/** What goes with one socket: its request, and the slot it holds among those of its token. */
interface Extra {
  readonly request: IncomingMessage;
  readonly close: (code: number, reason: string) => void;
  slot?: string;
  unwatch?: () => void;
  isClosed?: true;
}
type Parameters = Record<string, unknown> | undefined;

/** GraphQL over WebSocket by the `graphql-transport-ws` protocol, every socket and every operation within `limits`. */
export function createSockets(options: SocketOptions): Sockets {
  let isRefusing = false;
  const server = new WebSocketServer({
    noServer: true,
    handleProtocols,
    // Own frames can be written only where no socket compresses for itself.
    perMessageDeflate: false,
    // The writer answers pings, and counts them.
    autoPong: false,
    maxPayload: limits.webSocketFrameBytesMax,
    maxFragments: limits.webSocketFragmentsMax,
  });
  const protocol = makeServer<Parameters, Extra>(protocolOptions(options, () => isRefusing));
  server.on("connection", (socket, request) => serve(socket, request, { ...options, protocol }));
  return {
    accept: (request, socket, head) =>
      server.handleUpgrade(request, socket, head, (accepted) => server.emit("connection", accepted, request)),
    refuseOperations() {
      isRefusing = true;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of server.clients) socket.close(1001, "The server is stopping.");
        const cut = setTimeout(() => {
          for (const socket of server.clients) socket.terminate();
        }, limits.requestLingerMs);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
      }),
  };
}

function protocolOptions(
  { pipeline, watch, isValid, gate, initMs }: SocketOptions,
  isRefusing: () => boolean,
): ServerOptions<Parameters, Extra> {
  const slots = new Map<string, number>();
  return {
    schema: pipeline.schema,
    connectionInitWaitTimeout: initMs,
    async onConnect({ connectionParams, extra }) {
      const { authorization } = callerOf(connectionParams, extra.request);
      if ((await gate(extra.request, authorization)) > 0) return false;
      const isSignedIn = authorization !== undefined && (await isValid(authorization));
      // It went away meanwhile: onClose has run, and would not free the slot again.
      if (extra.isClosed) return false;
      const slot = isSignedIn ? createHash("sha256").update(authorization).digest("hex") : "";
      const taken = slots.get(slot) ?? 0;
      if (taken >= (isSignedIn ? limits.webSocketsPerTokenMax : limits.webSocketsAnonymousMax)) return false;
      slots.set(slot, taken + 1);
      extra.slot = slot;
      if (isSignedIn) extra.unwatch = watch.whenEnded(authorization, () => sayFarewell(extra));
      return true;
    },
    onClose({ extra }) {
      extra.isClosed = true;
      extra.unwatch?.();
      const { slot } = extra;
      if (slot === undefined) return;
      const left = (slots.get(slot) ?? 1) - 1;
      if (left > 0) slots.set(slot, left);
      else slots.delete(slot);
    },
    async onSubscribe({ connectionParams, extra, subscriptions }, id, payload) {
      if (id.length > limits.idLengthMax) {
        // Every answer repeats it.
        extra.close(CloseCode.BadRequest, `An operation's id has at most ${limits.idLengthMax} characters.`);
        return [];
      }
      if (isRefusing()) return [requestError("UNAVAILABLE", "The server is stopping; connect again.")];
      if (Object.keys(subscriptions).length > limits.webSocketOperationsMax) {
        return [
          requestError("TOO_MANY_OPERATIONS", `A socket has at most ${limits.webSocketOperationsMax} operations open.`),
        ];
      }
      const caller = callerOf(connectionParams, extra.request);
      const waitMs = await gate(extra.request, caller.authorization);
      if (waitMs > 0) return [rateError(waitMs)];
      return prepare(pipeline, caller, payload);
    },
    onError: (_ctx, _id, _payload, errors) => errors.map((error) => withoutHttp(error).toJSON()),
    onNext: (_ctx, _id, _payload, _args, result) => sendable(result) as FormattedExecutionResult,
    // The functions of this one operation, with its masking: see prepare().
    execute: (args) => (args as PreparedArgs).rootValue.execute(args) as Promise<ExecutionResult>,
    subscribe: (args) =>
      (args as PreparedArgs).rootValue.subscribe(args) as Promise<AsyncIterableIterator<ExecutionResult>>,
  };
}

/** Its streams say first why they end. Clients of graphql-ws connect again after this code, with a newer token where they have one. */
function sayFarewell({ close }: Extra): void {
  setTimeout(close, limits.socketFarewellMs, CloseCode.Forbidden, "The token is no longer valid.").unref();
}

interface PreparedArgs extends ExecutionArgs {
  readonly rootValue: { execute(args: unknown): unknown; subscribe(args: unknown): unknown };
}

/** Never throws: what a hook throws would close the socket, and its message would be the close reason. */
async function prepare(
  { yoga, schema, mask }: Pipeline,
  caller: Caller,
  { query, variables, operationName }: SubscribePayload,
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  try {
    if (isNestedDeeper(variables, limits.requestDepthMax))
      return [requestError("BAD_USER_INPUT", "The variables are nested too deeply.")];
    const { parse, validate, contextFactory, execute, subscribe } = yoga.getEnveloped({ caller });
    const document = parse(query);
    const errors = validate(schema, document);
    if (errors.length > 0) return errors;
    const contextValue = await contextFactory();
    return {
      schema,
      document,
      operationName,
      variableValues: variables,
      contextValue,
      rootValue: { execute, subscribe },
    } as PreparedArgs;
  } catch (error) {
    return [mask(error)];
  }
}

function callerOf(parameters: Parameters, request: IncomingMessage): Caller {
  const given = parameters?.["authorization"] ?? parameters?.["Authorization"];
  return { authorization: typeof given === "string" ? given : request.headers.authorization };
}

const pong = JSON.stringify({ type: MessageType.Pong });

/** Binds one socket to the protocol. */
function serve(
  socket: WebSocket,
  request: IncomingMessage,
  { protocol, log, heartbeatMs }: SocketOptions & { protocol: Server<Extra> },
): void {
  let isAlive = true;
  socket.on("pong", () => {
    isAlive = true;
  });
  const heartbeat = setInterval(() => {
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, heartbeatMs);
  // ws closes the socket itself, with the fitting code: a frame too large, text that is no UTF-8.
  socket.on("error", (error) => log.debug({ error: error.message }, "socket.refused"));
  const writer = createSocketWriter(socket);
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: writer.send,
      // Without what came with it: that may be large.
      onPing: () => writer.send(pong),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (handle) =>
        socket.on("message", (data) => {
          const text = String(data);
          if (hasMoreValues(text, limits.requestValuesMax)) {
            return socket.close(CloseCode.BadRequest, `A message holds at most ${limits.requestValuesMax} values.`);
          }
          handle(text).catch((error: unknown) => {
            log.warn({ error: error instanceof Error ? error.message : typeof error }, "socket.failed");
            socket.close(CloseCode.BadRequest, "Invalid message received");
          });
        }),
    },
    { request, close: (code, reason) => socket.close(code, reason) },
  );
  socket.once("close", (code, reason) => {
    clearInterval(heartbeat);
    closed(code, String(reason)).catch((error: unknown) => log.warn({ error: String(error) }, "socket.close_failed"));
  });
}
