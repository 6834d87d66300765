import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a server on which nothing passes for a while, and nobody is told: what a firewall or a pulled cable does. */
export interface SilentNetwork {
  /** Where it is entered. */
  readonly url: string;
  silence(): void;
  heal(): void;
  close(): Promise<void>;
}

export async function startSilentNetwork(target: string): Promise<SilentNetwork> {
  const { port } = new URL(target);
  const pairs: [Socket, Socket][] = [];
  const held: Socket[] = [];
  let isSilent = false;
  const join = (client: Socket): void => {
    const backend = connect(Number(port), "127.0.0.1");
    pairs.push([client, backend]);
    backend.on("error", () => client.destroy());
    client.pipe(backend).pipe(client);
  };
  const server = createServer((client) => {
    client.on("error", () => {});
    if (isSilent) held.push(client);
    else join(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    silence() {
      isSilent = true;
      for (const socket of pairs.flat()) socket.unpipe().pause();
    },
    heal() {
      isSilent = false;
      for (const [client, backend] of pairs) client.pipe(backend).pipe(client);
      for (const client of held.splice(0)) join(client);
    },
    async close() {
      for (const socket of [...pairs.flat(), ...held]) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
