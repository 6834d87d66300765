import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";

export const hasOpenssl = ((): boolean => {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

/** A way to a server by TLS, with a certificate that nobody has signed but itself. */
export async function startEncrypted(
  target: string,
  directory: string,
): Promise<{ readonly url: string; readonly certificate: string; close(): Promise<void> }> {
  const [key, certificate] = [join(directory, "key.pem"), join(directory, "certificate.pem")];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  execFileSync("openssl", [...request, ...names, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  const sockets: Socket[] = [];
  const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (client) => {
    const backend = connect(Number(new URL(target).port), "127.0.0.1");
    sockets.push(client, backend);
    for (const socket of [client, backend]) socket.on("error", () => {});
    client.pipe(backend).pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    certificate,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
