import type { IncomingMessage, ServerResponse } from "node:http";
import type { ExecutionResult, GraphQLError } from "graphql";
import { sendable } from "./errors.ts";
import type { OperationRequest, Pipeline } from "./pipeline.ts";
import type { Refusal } from "./refusal.ts";

/** The result of an operation as it is sent. */
export interface Answer {
  readonly bytes: Buffer;
  readonly errors: readonly GraphQLError[];
}

/** @throws What can't be written as JSON. */
export function answerOf(result: Awaited<ReturnType<Pipeline["run"]>>): Answer {
  const { errors = [] } = result as ExecutionResult;
  return { bytes: Buffer.from(JSON.stringify(sendable(result as ExecutionResult))), errors };
}

export function sendAnswer(response: ServerResponse, mediaType: string, { bytes, errors }: Answer): void {
  response.writeHead(statusOf(errors, mediaType), {
    "content-type": `${mediaType}; charset=utf-8`,
    "content-length": bytes.length,
  });
  response.end(bytes);
}

/**
 * Runs a mutation and answers it as yoga would, without the requests and responses of the Fetch API in between, which take a fifth of Node's time for
 * an operation that does little else (bench/README.md). One whose answer can't be written is not run again: it has happened.
 * @returns False where yoga is to see to it; nothing was done then.
 */
export async function answerMutation(
  { run, mask }: Pick<Pipeline, "run" | "mask">,
  operation: OperationRequest,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): Promise<boolean> {
  const mediaType = mediaTypeOf(request.headers.accept);
  if (mediaType === undefined) return false;
  const result = await run(operation);
  if (response.closed || response.destroyed) return true;
  sendAnswer(response, mediaType, writable(result, mask));
  return true;
}

function writable(result: Awaited<ReturnType<Pipeline["run"]>>, mask: Pipeline["mask"]): Answer {
  try {
    return answerOf(result);
  } catch (error) {
    return answerOf({ errors: [mask(error)] });
  }
}

const mediaTypes = new Map<string, string>([
  ["application/graphql-response+json", "application/graphql-response+json"],
  ["application/json", "application/json"],
  ["application/*", "application/json"],
  ["*/*", "application/json"],
]);

/** As yoga negotiates where the first type is one of these; undefined for anything else, which it may see to. */
export function mediaTypeOf(accept = "*/*"): string | undefined {
  if (accept.includes("charset")) return undefined;
  return mediaTypes.get(accept.split(/[,;]/, 1)[0]?.trim().toLowerCase() ?? "");
}

/** Any type that yoga sends an answer as, or we do. */
const answerType = /^(application\/(graphql-response\+json|json|\*)|multipart\/mixed|\*\/\*)$/;

/** Whether there is a type to answer in. Asked before anything is done: yoga finds out when a mutation has happened, and answers nothing of it. */
export function isAcceptable(accept: string): boolean {
  return (accept.trim() || "*/*").split(",").some((one) => {
    const [type = "", ...params] = one.toLowerCase().split(";");
    const charset = params.find((param) => param.includes("charset="))?.replace(/\s/g, "");
    return answerType.test(type.trim()) && (charset === undefined || charset === "charset=utf-8");
  });
}

export const notAcceptable: Refusal = {
  status: 406,
  code: "NOT_ACCEPTABLE",
  message: "Nothing was done: accept application/json or application/graphql-response+json, in UTF-8.",
};

interface HttpExtension {
  readonly status?: number;
  readonly spec?: boolean;
}

/** As yoga has it: errors of a whole request say their status, which clients that take only application/json learn from the code. */
function statusOf(errors: readonly GraphQLError[], mediaType: string): number {
  const statuses = errors.map(({ extensions }) => {
    const { status = 0, spec = false } = (extensions["http"] ?? {}) as HttpExtension;
    return spec && mediaType === "application/json" ? 0 : status;
  });
  return Math.max(0, ...statuses) || 200;
}
