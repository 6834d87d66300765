import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Worker } from "node:worker_threads";
import { gunzipSync } from "node:zlib";

interface Page {
  readonly zipped: Buffer;
  readonly etag: string;
}

/** Serves GraphiQL: made when it is first asked for, kept compressed, and nothing of it is loaded from elsewhere. */
export function createGraphiql(): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  let page: Promise<Page> | undefined;
  return async (request, response) => {
    page ??= renderPage().catch((error: unknown) => {
      page = undefined;
      throw error;
    });
    const { zipped, etag } = await page;
    const headers = {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": contentPolicy,
      "referrer-policy": "no-referrer",
      "cache-control": "no-cache",
      vary: "Accept, Accept-Encoding",
      etag,
    };
    if (request.headers["if-none-match"] === etag) {
      response.writeHead(304, headers).end();
      return;
    }
    const takesGzip = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
    const body = takesGzip ? zipped : gunzipSync(zipped);
    response.writeHead(200, {
      ...headers,
      "content-length": body.length,
      ...(takesGzip ? { "content-encoding": "gzip" } : {}),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  };
}

/** The browser itself holds the page to it: no script, style, font, image or call from or to anywhere else. */
const contentPolicy = [
  "default-src 'none'",
  "script-src 'unsafe-inline' blob:",
  "worker-src blob:",
  "style-src 'unsafe-inline'",
  "font-src data:",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

function renderPage(): Promise<Page> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./graphiql-worker.ts", import.meta.url), {
      workerData: {
        title: "Riposte",
        endpoint: "/graphql",
        // Over a socket the page sends no headers, so that a subscription would not be signed in.
        subscriptionsProtocol: "SSE",
        shouldPersistHeaders: false,
        defaultQuery: "{ viewer { name roles tenant { name } permissions } }\n",
        headers: '{ "authorization": "Bearer <token>" }',
      },
      env: {},
    });
    worker.once("message", (zipped: Uint8Array) => {
      resolve({ zipped: Buffer.from(zipped), etag: `"${createHash("sha256").update(zipped).digest("base64url")}"` });
    });
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("The page could not be made.")));
  });
}
