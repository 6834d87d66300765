import { createServer } from "node:net";

/** Ports that stay free while nobody listens: the system gives none of them to connections that go out. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    const probe = createServer();
    const isFree = await new Promise((resolve) => {
      probe.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (isFree) ports.add(port);
    await new Promise((resolve) => probe.close(resolve));
  }
  return [...ports];
}

/** The same of one. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port as number;
}
