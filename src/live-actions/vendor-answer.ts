import type { z } from "zod";
import type { JsonObject } from "../core/json.ts";
import type { AdapterResult } from "./adapter.ts";
import { type VendorAnswer, VendorError } from "./vendor-http.ts";

export type FailedResult = Extract<AdapterResult, { readonly status: "FAILED" }>;

/** The result of an action that did not take effect. @param error Stable, lower_snake. */
export function failed(error: string, summary: string, details: JsonObject = {}): FailedResult {
  return { status: "FAILED", error, summary, details };
}

/**
 * The body of an answer, as the shape says; what the shape does not name is left out.
 * @throws VendorError that says where it differs, without what stands there: it may be a token.
 */
export function readAnswer<T>(answer: VendorAnswer, shape: z.ZodType<T>): T {
  const parsed = shape.safeParse(answer.body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue && issue.path.length > 0 ? ` at ${issue.path.join(".")}` : "";
  throw new VendorError(
    `The vendor answered ${answer.status} with what can't be read${place}: ${issue?.message}.`,
    answer.status,
  );
}
