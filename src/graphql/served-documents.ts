import type { IncomingMessage, ServerResponse } from "node:http";

interface Document {
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is the same for everybody; one that takes work is made when it is first asked for. */
export type ServedDocument = Document | (() => Promise<Document>);

/** Answers a GET, or a HEAD without the body. */
export async function sendDocument(
  document: ServedDocument,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { contentType, body, headers } = typeof document === "function" ? await document() : document;
  const length = Buffer.byteLength(body);
  response.writeHead(200, { ...headers, "content-type": contentType, "content-length": length });
  response.end(request.method === "HEAD" ? undefined : body);
}
