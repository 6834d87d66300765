import { connect, type Socket } from "node:net";
import type { OperationText } from "./requests.ts";

/**
 * Connections that are kept open, each with one request at a time: no more than a socket and a length that is looked for, so that the
 * client, which runs on the same cores, costs little.
 */
export interface HttpClient {
  /** The answer's body. @throws Error for a status other than 200. */
  ask(connection: number, request: Buffer): Promise<string>;
  close(): void;
}

export function openHttpClient(port: number, connections: number): HttpClient {
  const lanes = Array.from({ length: connections }, () => openLane(connect(port, "127.0.0.1").setNoDelay(true)));
  return {
    ask: (connection, request) => lanes[connection]!.ask(request),
    close: () => {
      for (const lane of lanes) lane.close();
    },
  };
}

/** A request's bytes. */
export function requestBytes({ query, variables }: OperationText, headers: Readonly<Record<string, string>>): Buffer {
  const body = JSON.stringify({ query, variables });
  const all = { host: "bench", "content-type": "application/json", "content-length": `${Buffer.byteLength(body)}` };
  const lines = Object.entries({ ...all, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST /graphql HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}

function openLane(socket: Socket) {
  let received = Buffer.alloc(0);
  let whole = 0;
  let waiting: { resolve: (body: string) => void; reject: (error: Error) => void } | undefined;
  socket.on("error", (error) => waiting?.reject(error));
  socket.on("data", (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    whole ||= wholeLength(received);
    if (whole === 0 || received.length < whole) return;
    const text = received.toString("latin1");
    received = Buffer.alloc(0);
    whole = 0;
    if (text.startsWith("HTTP/1.1 200")) waiting?.resolve(text.slice(text.indexOf("\r\n\r\n") + 4));
    else waiting?.reject(new Error(text));
  });
  return {
    ask: (request: Buffer) =>
      new Promise<string>((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(request);
      }),
    close: () => socket.destroy(),
  };
}

/** Of headers and body; 0 where the headers are not complete. */
function wholeLength(received: Buffer): number {
  const end = received.indexOf("\r\n\r\n");
  if (end < 0) return 0;
  const length = /\r\ncontent-length: (\d+)/i.exec(received.toString("latin1", 0, end))?.[1];
  if (length === undefined) throw new Error("An answer without a length.");
  return end + 4 + Number(length);
}
