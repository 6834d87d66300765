import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Transform } from "node:stream";
import type { DatabaseAddress } from "../../src/database/address.ts";
import { withoutNotifications } from "./without-notifications.ts";

type SocketAddress = Extract<DatabaseAddress, { socketDirectory: string }>;

/** A way to the database that can be cut: the client's end breaks at once, the server learns of it only when it next reads. */
export interface CuttingProxy {
  readonly address: DatabaseAddress;
  /** Breaks every connection of now; PostgreSQL goes on with what it was told. */
  cut(): void;
  /** Breaks every connection of now when its next answer comes, which is lost: what was asked has been done. */
  loseAnswers(): void;
  /** Lets every connection of now fall silent: nothing passes any more, and nobody is told. */
  silence(): void;
  close(): Promise<void>;
}

/** @param isDeaf No notification comes through it, as if each had been lost. */
export async function startCuttingProxy(
  address: DatabaseAddress,
  { isDeaf = false }: { readonly isDeaf?: boolean } = {},
): Promise<CuttingProxy> {
  const { socketDirectory, ...rest } = address as SocketAddress;
  const directory = await mkdtemp(path.join(tmpdir(), "riposte-cut-"));
  const clients = new Set<Socket>();
  const behind = new Set<Socket>();
  const losing = new WeakSet<Socket>();
  const server = createServer((client) => {
    const backend = connect(path.join(socketDirectory, ".s.PGSQL.5432"));
    clients.add(client);
    behind.add(backend);
    client.pipe(backend, { end: false });
    const gate = new Transform({
      transform(chunk, _encoding, done) {
        if (losing.has(client)) client.destroy();
        else done(null, chunk);
      },
    });
    (isDeaf ? backend.pipe(withoutNotifications()) : backend).pipe(gate).pipe(client);
    for (const socket of [client, backend]) socket.on("error", () => undefined);
    // A client that leaves in good order closes its backend; one that was cut leaves it behind.
    client.on("end", () => backend.end());
    backend.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(path.join(directory, ".s.PGSQL.5432"), resolve));
  return {
    address: { socketDirectory: directory, ...rest },
    cut() {
      for (const client of clients) client.destroy();
      clients.clear();
    },
    loseAnswers() {
      for (const client of clients) losing.add(client);
      clients.clear();
    },
    silence() {
      for (const socket of [...clients, ...behind]) socket.unpipe().pause();
      clients.clear();
    },
    async close() {
      for (const socket of [...clients, ...behind]) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}
