import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { formsOf } from "./forms.ts";

/** A vendor that is sent secrets and repeats them in every place that an answer has. */
export interface EchoVendor {
  readonly origin: string;
  /** All that it was sent, header values and bodies. */
  heard(): string;
  close(): void;
}

/** Ways to repeat it, each a path. */
export const echoes = [
  "body",
  "refusal",
  "forms",
  "text",
  "headers",
  "redirect",
  "elsewhere",
  "broken",
  "html",
  "latin1",
] as const;

export async function openEchoVendor(): Promise<EchoVendor> {
  let heard = "";
  const server: Server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    heard += `${request.url} ${Object.values(request.headers).join("\n")}\n${body}\n`;
    // Another endpoint may tell later what was sent before.
    if (request.url === "/recall") response.end(JSON.stringify({ heard }));
    else answer({ request, response, body });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard: () => heard,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: string;
}

function answer({ request, response, body }: Exchange): unknown {
  const secrets = secretsIn(request, body);
  const inUrl = secrets.map(encodeURIComponent).join("&");
  const json = (status: number, value: unknown) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(value));
  };
  const nested = {
    error: { code: secrets[0], message: `No ${body}`, details: [{ [secrets[0] ?? "none"]: { secrets } }] },
  };
  switch (new URL(request.url ?? "", "http://vendor").pathname) {
    case "/refusal":
      return json(401, { ...nested, errorSummary: secrets.join(", "), message: request.headers });
    case "/forms":
      return json(400, { errors: secrets.flatMap(formsOf), number: 7 });
    case "/text":
      return response.writeHead(500, { "content-type": "text/plain" }).end(`${"x".repeat(1_990)}${secrets.join("\n")}`);
    case "/headers":
      return response
        .writeHead(500, secrets[0]?.replaceAll(/[^\x20-\x7e]/g, ""), { "x-echo": inUrl, "set-cookie": inUrl })
        .end();
    case "/redirect":
      return response.writeHead(307, { location: `/refusal?${inUrl}` }).end(body);
    case "/elsewhere":
      return response.writeHead(302, { location: `http://${secrets.length}.example/?${inUrl}` }).end(body);
    case "/broken":
      return response.socket?.end(`HTTP/1.1 200 OK\r\n${secrets.join(" ")} no header\r\n\r\n${body}`);
    case "/html":
      return response.writeHead(502, { "content-type": "text/html" }).end(`<p>${secrets.map(forHtml).join("<p>")}`);
    case "/latin1":
      return response.writeHead(500, { "content-type": "text/plain" }).end(Buffer.from(secrets.join("\n"), "latin1"));
    default:
      return json(200, { ok: true, echo: body, ...nested, list: [[secrets]] });
  }
}

/** The values that a request carries: of headers that begin with `x-`, of authorization, and of its body. */
function secretsIn({ headers }: IncomingMessage, body: string): string[] {
  const inHeaders = Object.entries(headers).flatMap(([name, value]) =>
    /^(x-|authorization$)/.test(name) ? String(value).replace(/^Bearer /, "") : [],
  );
  let values: unknown[] = [];
  try {
    values = Object.values(JSON.parse(body));
  } catch {
    // A request without a body.
  }
  return [...inHeaders, ...values.filter((value) => typeof value === "string")];
}

function forHtml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}
