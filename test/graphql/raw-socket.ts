import { once } from "node:events";
import { type ClientOptions, WebSocket } from "ws";

export interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: { data?: unknown; errors?: { extensions: { code: string } }[] };
}

/** A client that says exactly what a test wants it to. */
export interface RawClient {
  readonly socket: WebSocket;
  say(message: unknown): void;
  hear(): Promise<Message>;
  /** Code and reason of the close. */
  closed: Promise<[number, string]>;
}

const opened: WebSocket[] = [];

/** For `afterAll`: cuts whatever a test left open. */
export function terminateAll(): void {
  for (const socket of opened.splice(0)) socket.terminate();
}

/** Opens a socket; who says nothing has not begun the protocol. */
export async function connect(url: string, options: ClientOptions = {}): Promise<RawClient> {
  const socket = new WebSocket(url, "graphql-transport-ws", options);
  opened.push(socket);
  const heard: Message[] = [];
  const waiting: ((message: Message) => void)[] = [];
  socket.on("message", (data) => {
    const message = JSON.parse(String(data)) as Message;
    const next = waiting.shift();
    if (next) next(message);
    else heard.push(message);
  });
  socket.on("error", () => undefined);
  const closed = once(socket, "close").then(([code, reason]): [number, string] => [code, String(reason)]);
  await once(socket, "open");
  return {
    socket,
    closed,
    say: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    hear: () => {
      const message = heard.shift();
      return message ? Promise.resolve(message) : new Promise((resolve) => waiting.push(resolve));
    },
  };
}

export const subscribe = (id: string, query: string, variables?: unknown) => ({
  id,
  type: "subscribe",
  payload: { query, variables },
});

export const codeOf = ({ payload }: Message) =>
  (Array.isArray(payload) ? payload : payload?.errors)?.[0]?.extensions.code;

/** The status by which the upgrade is refused. */
export function refusedWith(
  url: string,
  options: ClientOptions = {},
  protocol = "graphql-transport-ws",
): Promise<number | undefined> {
  const socket = new WebSocket(url, protocol, options);
  socket.on("error", () => undefined);
  return new Promise((resolve) => {
    socket.once("unexpected-response", (_request, response) => {
      resolve(response.statusCode);
      socket.terminate();
    });
    socket.once("open", () => resolve(undefined));
  });
}

/** A source that never says anything. */
export function silent(onEnd: () => void = () => undefined): AsyncIterableIterator<unknown> {
  const source: AsyncIterableIterator<unknown> = {
    [Symbol.asyncIterator]: () => source,
    next: () => new Promise(() => undefined),
    return: async () => {
      onEnd();
      return { done: true, value: undefined };
    },
  };
  return source;
}
