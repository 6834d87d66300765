// A stand-in for Acme EDR, which knows the host host-77. By itself: node examples/plugin/fake-acme.ts [port]
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { readCall } from "../fake-call.ts";

export const acmeToken = "acme-example-token";

export interface FakeAcme {
  readonly url: string;
  /** Hosts that are cut off. */
  readonly isolated: ReadonlySet<string>;
  /** What was asked, in order: `PUT /v1/hosts/host-77/isolation`. */
  readonly asked: readonly string[];
  close(): void;
}

/** @param port 0 for any free one. */
export async function startFakeAcme(port = 0): Promise<FakeAcme> {
  const isolated = new Set<string>();
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const { route, headers, body } = await readCall(request);
    asked.push(route);
    const answer = (status: number, value: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    const [, name = ""] = /^PUT \/v1\/hosts\/([^/]+)\/isolation$/.exec(route) ?? [];
    const host = decodeURIComponent(name);
    if (headers.authorization !== `Bearer ${acmeToken}`) return answer(401, { error: "unauthorized" });
    if (host !== "host-77") return answer(404, { error: "no such host" });
    if (body["isolated"] === true) isolated.add(host);
    else isolated.delete(host);
    return answer(200, { host_id: "h-77", isolated: isolated.has(host) });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, isolated, asked, close: () => void server.close().closeAllConnections() };
}

if (import.meta.main) {
  const { url } = await startFakeAcme(Number(process.argv[2] ?? 4_198));
  console.log(`acme_url ${url}\nacme_token ${acmeToken}`);
}
