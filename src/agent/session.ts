import { createClient } from "graphql-ws/client";
import { type ClientOptions, WebSocket } from "ws";
import { isJsonObject } from "../core/json.ts";
import { bounds } from "./bounds.ts";

/** What is sent: a document with one root field. */
export interface Operation {
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** What is answered: one root field. */
export type Data = Readonly<Record<string, unknown>>;
type OnData = (data: Data) => void;

/** One connection to the server. */
export interface Session {
  /** Resolves when the server has accepted the connection. @throws ConnectionLost */
  readonly opened: Promise<void>;
  /** Resolves, with the reason, when the connection is gone. */
  readonly ended: Promise<ConnectionLost>;
  /** The data of a query or mutation. @throws ConnectionLost or ServerError */
  request(operation: Operation): Promise<Data>;
  /** Resolves when the server completes the stream. @throws ConnectionLost or ServerError */
  subscribe(operation: Operation, onData: OnData): Promise<void>;
  close(): void;
}

/** The connection is gone; `code` is the WebSocket's, where it was closed in order. */
export class ConnectionLost extends Error {
  readonly code: number | undefined;
  constructor(message: string, code?: number) {
    super(message);
    this.code = code;
  }
}

/** The server answered with an error instead of data. */
export class ServerError extends Error {
  /** As in its `extensions`, such as UNAUTHENTICATED. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

class AgentSocket extends WebSocket {
  constructor(address: string | URL, protocols?: string | string[]) {
    const options: ClientOptions = {
      maxPayload: bounds.messageBytesMax,
      handshakeTimeout: bounds.connectMs,
      perMessageDeflate: false,
    };
    super(address, protocols, options);
  }
}

/** Connects by graphql-transport-ws, once: there is no retry in here. @param server Base address, `http://` or `https://`. */
export function openSession(server: string, token: string | undefined): Session {
  let onOpened = (): void => {};
  let onEnded = (_reason: ConnectionLost): void => {};
  const ended = new Promise<ConnectionLost>((resolve) => {
    onEnded = resolve;
  });
  const opened = new Promise<void>((resolve, reject) => {
    onOpened = resolve;
    ended.then(reject);
  });
  // Whoever wants to know asks; nobody may want to.
  opened.catch(() => {});
  let lost: ConnectionLost | undefined;
  // It waits for a connection that is being made, and fails with it.
  const dispose = (): void => void Promise.resolve(client.dispose()).catch(() => {});
  const lose = (cause: unknown): void => {
    clearTimeout(pongTimer);
    lost ??= lostBy(cause);
    onEnded(lost);
    // Else it would connect again by itself after a close in order.
    dispose();
  };
  let pongTimer: NodeJS.Timeout | undefined;
  const client = createClient({
    url: `${server.replace(/^http/, "ws")}/graphql`,
    webSocketImpl: AgentSocket,
    ...(token !== undefined && { connectionParams: { authorization: `Bearer ${token}` } }),
    lazy: false,
    retryAttempts: 0,
    keepAlive: bounds.pingMs,
    connectionAckWaitTimeout: bounds.connectMs,
    onNonLazyError: () => {},
    on: {
      connected: () => onOpened(),
      ping: (isReceived) => {
        if (!isReceived) pongTimer = setTimeout(() => client.terminate(), bounds.pongMs);
      },
      pong: (isReceived) => {
        if (isReceived) clearTimeout(pongTimer);
      },
      error: lose,
      closed: lose,
    },
  });

  async function send({ query, variables }: Operation, onData: OnData): Promise<void> {
    if (lost) throw lost;
    await new Promise<void>((resolve, reject) => {
      client.subscribe<Data>(
        { query, ...(variables && { variables: { ...variables } }) },
        {
          next: ({ data, errors }) => {
            if (errors?.length) reject(errorOf(errors));
            else if (data) onData(data);
          },
          error: (error) => reject(Array.isArray(error) ? errorOf(error) : (lost ?? lostBy(error))),
          complete: () => (lost ? reject(lost) : resolve()),
        },
      );
    });
  }

  return {
    opened,
    ended,
    request: (operation) => answered(send, operation, () => client.terminate()),
    subscribe: send,
    close: dispose,
  };
}

/** The one answer to an operation; the connection is given up when it does not come in time. */
async function answered(send: Session["subscribe"], operation: Operation, giveUp: () => void): Promise<Data> {
  let answer: Data | undefined;
  const timer = setTimeout(giveUp, bounds.answerMs);
  try {
    await send(operation, (data) => {
      answer = data;
    });
  } finally {
    clearTimeout(timer);
  }
  if (!answer) throw new ConnectionLost("The server left a request without an answer.");
  return answer;
}

function lostBy(cause: unknown): ConnectionLost {
  if (cause instanceof ConnectionLost) return cause;
  const { code, reason, message } = (isJsonObject(cause) ? cause : {}) as {
    code?: unknown;
    reason?: unknown;
    message?: unknown;
  };
  const text = [reason, message].find((one) => typeof one === "string" && one !== "");
  const number = typeof code === "number" ? code : undefined;
  return new ConnectionLost(
    String(text ?? (number === undefined ? "unknown reason" : `closed with code ${number}`)),
    number,
  );
}

function errorOf(errors: readonly { readonly message: string; readonly extensions?: unknown }[]): ServerError {
  const [first] = errors;
  const code = isJsonObject(first?.extensions) ? first.extensions["code"] : undefined;
  return new ServerError(String(code ?? "UNKNOWN"), first?.message ?? "The server told no reason.");
}
