// Vendors of our own on loopback, and one attempt at calling them: what the tests of the remote executor share.
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { afterEach } from "vitest";
import { createEgressPolicy, type EgressRules } from "../../src/executors/egress.ts";
import type { Outcome, RemoteCall } from "../../src/executors/executor.ts";
import { createRemoteExecutor } from "../../src/executors/remote.ts";

export const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

export async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

export async function serve(listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listening(createServer(listener))}`;
}

/** Speaks what no HTTP server would. */
export async function serveRaw(speak: (socket: Socket) => void): Promise<string> {
  const server = createTcpServer((socket) => {
    closers.push(() => socket.destroy());
    socket.on("error", () => {});
    socket.once("data", () => speak(socket));
  });
  return `http://127.0.0.1:${await listening(server)}`;
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

export interface Options {
  readonly call: Partial<RemoteCall> & { readonly url: string };
  readonly rules?: Partial<EgressRules>;
  readonly secrets?: readonly string[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export async function attempt({ call, rules, secrets = [], timeoutMs = 10_000, signal }: Options) {
  const egress = createEgressPolicy({ allow: ["127.0.0.0/8"], deny: [], private: "allow", ...rules });
  const lines: string[] = [];
  const outcome = await createRemoteExecutor({ egress })({
    call: { type: "remote", method: "POST", headers: {}, ...call },
    idempotencyKey: "run-1/step-1",
    timeoutMs,
    signal: signal ?? new AbortController().signal,
    secrets,
    onLog: (stream, text) => lines.push(`${stream} ${text}`),
  });
  return { outcome, lines };
}

export function codeOf(outcome: Outcome): string {
  return outcome.status === "FAILED" ? outcome.error.code : outcome.status;
}
