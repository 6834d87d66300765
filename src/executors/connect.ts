import { isIP } from "node:net";
import type { buildConnector, Client } from "undici";
import { limits } from "../core/limits.ts";
import type { EgressPolicy } from "./egress.ts";

/** Whom to send to, and within what. */
interface Way {
  readonly egress: EgressPolicy;
  /** Nothing is connected to once it is aborted. */
  readonly signal: AbortSignal;
  /** The server's certificate is not verified. Only for a server whose owner said so. */
  readonly allowsUntrustedCertificate?: boolean | undefined;
}

/**
 * A client of one origin with connections of its own, to be destroyed. Its only bound of time is the signal: further ones would end an exchange
 * with another error.
 */
export async function openClient(origin: string, way: Way): Promise<Client> {
  // With the first request, not with the server: it takes 0.1 s.
  const undici = await import("undici");
  return new undici.Client(origin, {
    connect: createConnector(undici.buildConnector, way),
    maxHeaderSize: limits.responseHeaderBytesMax,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/**
 * What undici opens its sockets with: the host is resolved and checked once, the address that was checked is the one connected to
 * (a second look-up could answer another), and the address that the socket reports is checked again before a byte is sent.
 * @see undici's Client `connect` option; its `lookup` option is not asked for literal addresses, so it would not do.
 */
function createConnector(
  build: typeof buildConnector,
  { egress, signal, allowsUntrustedCertificate }: Way,
): buildConnector.connector {
  const connect = build({ timeout: 0, signal, ...(allowsUntrustedCertificate && { rejectUnauthorized: false }) });
  return (options, callback) => {
    openFirst(options).then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
    );
  };

  /** The addresses of an answer in turn, until one takes the connection. */
  async function openFirst(options: buildConnector.Options): Promise<Socket> {
    const port = Number(options.port) || (options.protocol === "https:" ? 443 : 80);
    const addresses = await untilAborted(egress.resolve(options.hostname, port), signal);
    let failure: unknown = Object.assign(new Error(`${options.hostname} has no address.`), { code: "ENOTFOUND" });
    for (const address of addresses) {
      signal.throwIfAborted();
      try {
        return await openChecked(options, { address, port });
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async function openChecked(options: buildConnector.Options, to: { address: string; port: number }): Promise<Socket> {
    const name = options.hostname.replace(/^\[|\]$/g, "");
    const servername = options.servername ?? (isIP(name) === 0 ? name : undefined);
    const socket = await open({ ...options, hostname: to.address, ...(servername && { servername }) });
    try {
      await egress.checkConnected(options.hostname, socket.remoteAddress, to.port);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return socket;
  }

  function open(options: buildConnector.Options): Promise<Socket> {
    return new Promise((resolve, reject) => {
      connect(options, (error, socket) => (socket ? resolve(socket) : reject(error)));
    });
  }
}

/** A look-up cannot be cancelled; nobody waits for it any longer than the signal allows. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

type Socket = NonNullable<buildConnector.CallbackArgs[1]>;
