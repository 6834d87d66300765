import { AttemptRefused } from "../core/attempt-refused.ts";
import { limits } from "../core/limits.ts";
import { EgressRefused } from "./egress.ts";
import type { ExecutionError } from "./executor.ts";

const connectionCodes: Readonly<Record<string, ExecutionError>> = {
  ECONNREFUSED: { code: "connection_refused", message: "The server refused the connection." },
  ENOTFOUND: { code: "dns_failure", message: "The server's name cannot be resolved." },
  EAI_AGAIN: { code: "dns_failure", message: "The server's name cannot be resolved at present." },
  UND_ERR_HEADERS_OVERFLOW: {
    code: "response_headers_too_large",
    message: `The headers of the server's answer are larger than ${limits.responseHeaderBytesMax} bytes.`,
  },
};

/**
 * What ended an HTTP exchange before there was an answer to read: the code of a refusal of ours, or of the connection (`connection_failed`
 * where no other is known).
 * @throws The error itself where it is none of an exchange, but a bug.
 */
export function exchangeErrorOf(error: unknown): ExecutionError {
  if (error instanceof AttemptRefused) return error.error;
  if (error instanceof EgressRefused) return { code: error.code, message: error.message };
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const known = connectionCodes[code];
  if (known) return known;
  // Undici's errors have one as well.
  if (code === "") throw error;
  const text = error instanceof Error ? error.message : code;
  return {
    code: "connection_failed",
    message: `The exchange with the server failed: ${text}`,
  };
}
