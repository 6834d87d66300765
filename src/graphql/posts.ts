import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  BadInputError,
  ConflictFailure,
  DomainFailure,
  ForbiddenError,
  NotFoundFailure,
  TenantDisabledError,
  UnauthenticatedError,
  ValidationFailure,
} from "../core/failures.ts";
import { type Gate, rateRefusal } from "./admission.ts";
import type { MaskError } from "./errors.ts";
import type { Origins } from "./origins.ts";
import { discardRest, type Refusal, sendJson } from "./refusal.ts";
import { readBody } from "./request-params.ts";
import type { StreamWatch } from "./stream-watch.ts";

/** A POST that came in whole, within the bound of every body. */
export interface Post {
  readonly authorization: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The body is sent as JSON. */
export interface PostAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a room answers at a path of its own, for those who do not speak GraphQL. What it throws is told as `{code, message, issues?}`. */
export type PostHandler = (post: Post) => Promise<PostAnswer>;

/** What a room answers to a GET at a path of its own, and what does not fit into memory. What it throws before the first chunk is told alike. */
export interface Download {
  open(request: Pick<Post, "authorization">): Promise<OpenDownload>;
}

/** Chunks are asked for as the client reads. */
export interface OpenDownload {
  readonly contentType: string;
  readonly fileName: string;
  readonly chunks: AsyncIterable<string>;
}

interface PostParts {
  readonly handler: PostHandler | Download;
  readonly origins: Origins;
  readonly mask: MaskError;
  readonly isStopping: boolean;
  readonly gate: Gate;
  /** Tells when a token is no longer valid: a download may take hours. */
  readonly watch: Pick<StreamWatch, "whenEnded">;
}

/** Serves such a path, within the same bounds as the API. @throws what breaks the connection, when the client went away. */
export async function answerPost(parts: PostParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { origin, host, authorization } = request.headers;
  const answer = (status: number, body: unknown, headers?: PostAnswer["headers"]) => {
    sendJson(response, status, body, headers);
    discardRest(request);
  };
  const refuse = ({ status, code, message, headers, details }: Refusal) =>
    answer(status, { code: code.toLowerCase(), message, ...details }, headers);
  if (parts.isStopping) {
    const headers = { connection: "close" };
    return refuse({ status: 503, code: "unavailable", message: "The server is stopping.", headers });
  }
  if (!parts.origins.isAllowed(origin, host)) {
    return refuse({
      status: 403,
      code: "forbidden_origin",
      message: "Pages of this origin may not call this server.",
    });
  }
  for (const [name, value] of Object.entries(parts.origins.corsHeaders(origin))) response.setHeader(name, value);
  const { handler } = parts;
  const allow = "open" in handler ? "GET" : "POST";
  if (request.method === "OPTIONS") return void response.writeHead(204, { allow }).end();
  if (request.method !== allow) {
    return refuse({ status: 405, code: "method_not_allowed", message: `Use ${allow}.`, headers: { allow } });
  }
  const waitMs = await parts.gate(request);
  if (waitMs > 0) return refuse(rateRefusal(waitMs));
  const body = "open" in handler ? undefined : await readBody(request);
  if (body && "status" in body) return refuse(body);
  try {
    if ("open" in handler)
      return await sendDownload({ ...parts, authorization }, await handler.open({ authorization }), response);
    if (!body) return;
    const answered = await handler({ authorization, headers: request.headers, body });
    answer(answered.status, answered.body, answered.headers);
  } catch (error) {
    const refused = refusalOf(error, parts.mask);
    const issues = error instanceof ValidationFailure ? { issues: error.issues } : {};
    answer(refused.status, { code: refused.code, message: refused.message, ...issues }, refused.headers);
  }
}

/** A client that stops reading keeps nothing in memory; where the chunks fail, the connection breaks, so that nobody takes a part for the whole. */
async function sendDownload(
  { mask, watch, authorization }: PostParts & Pick<Post, "authorization">,
  download: OpenDownload,
  response: ServerResponse,
): Promise<void> {
  const { contentType, fileName, chunks } = download;
  response.writeHead(200, { "content-type": contentType, "content-disposition": `attachment; filename="${fileName}"` });
  const unwatch = authorization === undefined ? () => {} : watch.whenEnded(authorization, () => response.destroy());
  try {
    await pipeline(Readable.from(chunks, { highWaterMark: 1 }), response);
  } catch (error) {
    const isClientGone = (error as { code?: unknown }).code === "ERR_STREAM_PREMATURE_CLOSE";
    if (!isClientGone) mask(error);
    response.destroy();
  } finally {
    unwatch();
  }
}

function refusalOf(error: unknown, mask: MaskError): Refusal {
  if (error instanceof UnauthenticatedError) {
    const headers = { "www-authenticate": "Bearer" };
    return { status: 401, code: "unauthenticated", message: error.message, headers };
  }
  if (error instanceof TenantDisabledError) return { status: 403, code: "tenant_disabled", message: error.message };
  if (error instanceof ForbiddenError) return { status: 403, code: "forbidden", message: error.message };
  if (error instanceof BadInputError) return { status: 400, code: "bad_request", message: error.message };
  if (error instanceof DomainFailure) return { status: statusOf(error), code: error.code, message: error.message };
  const { message, extensions } = mask(error);
  const code = String(extensions["code"]).toLowerCase();
  return { status: code === "unavailable" ? 503 : 500, code, message };
}

function statusOf(failure: DomainFailure): number {
  if (failure instanceof ValidationFailure) return 422;
  if (failure instanceof NotFoundFailure) return 404;
  return failure instanceof ConflictFailure || failure.code !== "unavailable" ? 409 : 503;
}
