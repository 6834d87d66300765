import { DomainFailure } from "../core/failures.ts";
import { isJsonObject, type JsonObject, storableJson, storableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { isNestedDeeper } from "../core/nesting.ts";
import type { Mask } from "../secrets/mask.ts";
import type { AdapterResult } from "./adapter.ts";
import { VendorError } from "./vendor-http.ts";

/** What came of a dispatch. */
export interface DispatchResult {
  readonly status: "SUCCEEDED" | "SIMULATED" | "FAILED";
  /** One line, for people. */
  readonly summary: string;
  readonly details: JsonObject;
  /** A stable code, or the class of what an adapter threw; null unless it failed. */
  readonly error: string | null;
  readonly warnings: readonly string[];
  /** Failed before anybody was contacted: as what is simulated, it costs nothing. */
  readonly isUncalled?: true;
}

export function failed(error: string, summary: string, details: JsonObject = {}): DispatchResult {
  return { status: "FAILED", error, summary, details, warnings: [] };
}

/** The same of what could not begin. */
export function uncalled(error: string, summary: string, details: JsonObject = {}): DispatchResult {
  return { ...failed(error, summary, details), isUncalled: true };
}

/** `details.completion` of what failed after some of it took effect, which a rollback can undo. */
export const partial = "partial";

/** Whether there is something that a rollback could undo. */
export function hasEffect({ status, details }: { readonly status?: unknown; readonly details?: unknown }): boolean {
  if (status === "SUCCEEDED") return true;
  return status === "FAILED" && (details as JsonObject | null)?.["completion"] === partial;
}

/** Nobody was contacted: `why` ends the note that says so. */
export function simulated(summary: string, why: string, details: JsonObject): DispatchResult {
  const note = `Simulation mode: ${why}`;
  return { status: "SIMULATED", error: null, summary, details: { note, ...details }, warnings: [] };
}

/** Ends a call whose time is over. */
export class VendorTimeout extends Error {
  override readonly name = "VendorTimeout";
}

/** Ends a call that the server can't wait for: it stops. */
export class DispatchInterrupted extends Error {
  override readonly name = "DispatchInterrupted";
}

/** What an adapter answered; what it answers against its contract is its failure. */
export function resultOf(answer: AdapterResult): DispatchResult {
  if (typeof answer?.summary !== "string" || !isJsonObject(answer.details)) return brokenAnswer;
  const { summary, details } = answer;
  switch (answer.status) {
    case "SUCCEEDED": {
      const { status, completion = "confirmed", warnings = [] } = answer;
      return { status, summary, details: { ...details, completion }, error: null, warnings };
    }
    case "SIMULATED":
      return simulated(summary, "nobody was contacted.", details);
    case "FAILED": {
      const { completion: _own, ...rest } = details;
      return failed(String(answer.error), summary, answer.isPartial ? { ...rest, completion: partial } : rest);
    }
    default:
      return brokenAnswer;
  }
}

const brokenAnswer = failed(
  "invalid_answer",
  "The adapter answered what is no result; whether it took effect is unknown.",
);

/** What an adapter threw, as a result: its message is masked by {@link keepable}. */
export function resultOfError(error: unknown): DispatchResult {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof VendorTimeout) return failed("vendor_timeout", message, { message });
  if (error instanceof DispatchInterrupted) return failed("effect_unknown", message, { message });
  if (error instanceof VendorError) {
    const { status, body } = error;
    const details = { message, ...(status === undefined ? {} : { status }), ...(body === undefined ? {} : { body }) };
    return failed("vendor_error", `The vendor refused: ${message}`, details);
  }
  return failed(codeOf(error), message, { message });
}

/** A stable code where what was thrown has one; else the name of its class. */
function codeOf(error: unknown): string {
  if (error instanceof DomainFailure) return error.code;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (typeof code === "string" && /^[a-z][a-z0-9_]{0,127}$/.test(code)) return code;
  const name = error instanceof Error ? error.name || error.constructor.name : "Error";
  return /^[\w$]{1,128}$/.test(name) ? name : "Error";
}

/** The result as it may be stored and shown: without a secret, within bounds, in texts that PostgreSQL takes. */
export function keepable(result: DispatchResult, mask: Mask): DispatchResult {
  const { details, problem } = keepableDetails(result.details, mask);
  const warnings = result.warnings.slice(0, limits.warningsMax).map((warning) => line(mask.text(String(warning))));
  return {
    status: result.status,
    error:
      result.status === "FAILED" ? storableText(mask.text(result.error ?? "Error").slice(0, 128)) || "Error" : null,
    summary: line(mask.text(result.summary)),
    details,
    warnings: problem === undefined ? warnings : [...warnings, problem],
  };
}

function keepableDetails(details: JsonObject, mask: Mask): { details: JsonObject; problem?: string } {
  // First: what is nested deeper than the stack can't even be measured.
  if (isNestedDeeper(details, limits.documentDepthMax)) {
    return cut(
      { completion: mask.json(details["completion"] ?? null) },
      `The details were nested deeper than ${limits.documentDepthMax} levels, so they were not kept.`,
    );
  }
  const masked = storableJson(mask.json(details)) as JsonObject;
  const size = Buffer.byteLength(JSON.stringify(masked));
  if (size <= limits.outputBytesMax) return { details: masked };
  return cut(masked, `The details had ${size} bytes; at most ${limits.outputBytesMax} are kept.`);
}

/** Of details that can't be kept: what says how it ended. */
function cut({ completion }: JsonObject, problem: string): { details: JsonObject; problem: string } {
  const kept = typeof completion === "string" ? { completion: line(completion) } : {};
  return { details: { is_truncated: true, ...kept }, problem };
}

function line(text: string): string {
  const flat = storableText(text).replace(/\s+/g, " ").trim();
  return flat.length > limits.textLengthMax ? `${flat.slice(0, limits.textLengthMax - 1).toWellFormed()}…` : flat;
}
