import type { IncomingMessage } from "node:http";
import { hasMoreValues } from "../core/json-values.ts";
import { limits } from "../core/limits.ts";
import type { Refusal } from "./refusal.ts";

/** One operation as HTTP carried it; what kind it is, the document says. */
export interface RequestParams {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
}

/** Reads the operation of a GET or a POST, or says why there is none. */
export async function readParams(request: IncomingMessage): Promise<RequestParams | Refusal> {
  if (request.method === "GET" || request.method === "HEAD") return paramsOfUrl(request.url ?? "");
  const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json" && type !== "application/graphql+json") {
    // What a form of a foreign page can send without asking first must not reach the schema.
    return refusal(415, "UNSUPPORTED_MEDIA_TYPE", "Send the operation as application/json.");
  }
  const body = await readBody(request);
  if ("status" in body) return body;
  const text = body.toString();
  if (hasMoreValues(text, limits.requestValuesMax)) {
    return refusal(413, "REQUEST_TOO_LARGE", `A request holds at most ${limits.requestValuesMax} values.`);
  }
  const parsed = parseJson(text);
  return parsed === undefined ? badRequest("The body is no JSON.") : checked(parsed);
}

export function isRefusal(value: RequestParams | Refusal): value is Refusal {
  return "status" in value;
}

/**
 * A request's body as it was sent; a refusal when it is compressed, so that it can't grow later, or larger than allowed: known from
 * Content-Length, or as soon as the bound is passed.
 */
export async function readBody(request: IncomingMessage): Promise<Buffer | Refusal> {
  if ((request.headers["content-encoding"] ?? "identity") !== "identity") {
    return refusal(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body without compression.");
  }
  const tooLarge = refusal(413, "REQUEST_TOO_LARGE", `A request has at most ${limits.requestBodyBytesMax} bytes.`);
  if (Number(request.headers["content-length"] ?? 0) > limits.requestBodyBytesMax) return tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve, reject) => {
    // While we looked who it is; nothing more is told of it then.
    if (request.destroyed) return reject(clientGone());
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limits.requestBodyBytesMax) return void chunks.push(chunk);
      request.off("data", onData);
      chunks.length = 0;
      resolve(tooLarge);
    };
    request.on("data", onData);
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", reject);
    // After every request: an error that nobody gets would be made, with its stack, for each.
    request.once("close", () => {
      if (!request.readableEnded) reject(clientGone());
    });
  });
}

function clientGone(): Error {
  return new Error("The client went away before its request was complete.");
}

function paramsOfUrl(url: string): RequestParams | Refusal {
  const search = new URLSearchParams(url.split("?")[1] ?? "");
  const variables = search.get("variables");
  const parsed = variables ? parseJson(variables) : undefined;
  if (variables && parsed === undefined) return badRequest("The variables are no JSON.");
  return checked({
    query: search.get("query") ?? undefined,
    operationName: search.get("operationName"),
    variables: parsed,
  });
}

function checked(value: unknown): RequestParams | Refusal {
  if (Array.isArray(value)) return badRequest("Send one operation at a time, not a list of them.");
  if (typeof value !== "object" || value === null) return badRequest("The body must be an object with a query.");
  const { query, operationName, variables } = value as Record<string, unknown>;
  if (typeof query !== "string") return badRequest("The query is missing, or is no text.");
  if (operationName != null && typeof operationName !== "string") return badRequest("The operationName is no text.");
  if (variables != null && (typeof variables !== "object" || Array.isArray(variables))) {
    return badRequest("The variables are no object.");
  }
  return { query, operationName, variables: variables as RequestParams["variables"] };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function badRequest(message: string): Refusal {
  return refusal(400, "BAD_REQUEST", message);
}

function refusal(status: number, code: string, message: string): Refusal {
  return { status, code, message };
}
