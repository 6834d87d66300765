import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { AdapterRequest, AdapterResult, RequestProblem } from "../adapter.ts";
import { failed } from "../vendor-answer.ts";

/** A request that makes its call pointless, thrown by whoever reads it; {@link problemIn} makes an adapter's `check` of it. */
export class InvalidRequest extends Error {
  readonly problem: RequestProblem;
  constructor(error: RequestProblem["error"], message: string) {
    super(message);
    this.problem = { error, message };
  }
}

/** The problem that reading a request comes upon. */
export function problemIn(read: () => unknown): RequestProblem | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof InvalidRequest) return error.problem;
    throw error;
  }
}

/** What a call would do, or what is wrong with the request: `check` refuses that one, and a preview throws nothing. */
export function previewed(read: () => JsonObject): JsonObject {
  try {
    return read();
  } catch (error) {
    if (error instanceof InvalidRequest) return { problem: error.message };
    throw error;
  }
}

export interface TextBounds {
  readonly lengthMax: number;
}

/** A text that may be left out; null and blanks count as left out. @throws InvalidRequest */
export function readText(params: JsonObject, name: string, { lengthMax }: TextBounds): string | undefined {
  const value = own(params, name);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw invalid(`\`${name}\` is to be a text.`);
  if (value.length > lengthMax) throw invalid(`\`${name}\` is to have at most ${lengthMax} characters.`);
  if (/\0/.test(value) || !value.isWellFormed()) throw invalid(`\`${name}\` holds a character that no vendor takes.`);
  return value.trim() === "" ? undefined : value;
}

/** The target as a text without what no vendor takes; undefined where it is blank. @throws InvalidRequest */
export function readTarget({ target }: AdapterRequest, bounds: TextBounds): string | undefined {
  try {
    return readText({ target }, "target", bounds);
  } catch (error) {
    throw error instanceof InvalidRequest ? new InvalidRequest("invalid_target", error.message) : error;
  }
}

/** A whole number, as a number or in digits; `otherwise` where it is left out. @throws InvalidRequest */
export function readInteger<Otherwise extends number | undefined>(
  params: JsonObject,
  name: string,
  { min, max, otherwise }: { readonly min: number; readonly max: number; readonly otherwise: Otherwise },
): number | Otherwise {
  const value = own(params, name);
  if (value === undefined || value === null || value === "") return otherwise;
  const number = typeof value === "string" && /^-?\d{1,15}$/.test(value.trim()) ? Number(value) : value;
  if (typeof number !== "number" || !Number.isInteger(number) || number < min || number > max) {
    throw invalid(`\`${name}\` is to be a whole number from ${min} to ${max}.`);
  }
  return number;
}

/** True or false, also as the words; `otherwise` where it is left out. Anything else is refused and never guessed. @throws InvalidRequest */
export function readFlag(params: JsonObject, name: string, otherwise: boolean): boolean {
  const value = own(params, name);
  if (value === undefined || value === null || value === "") return otherwise;
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  throw invalid(`\`${name}\` is to be true or false.`);
}

/** An object that may be left out. @throws InvalidRequest */
export function readObject(params: JsonObject, name: string): JsonObject | undefined {
  const value = own(params, name);
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw invalid(`\`${name}\` is to be an object.`);
  return value;
}

export function invalid(message: string): InvalidRequest {
  return new InvalidRequest("invalid_params", message);
}

function own(params: JsonObject, name: string) {
  return Object.hasOwn(params, name) ? params[name] : undefined;
}

/** A call whose {@link InvalidRequest} becomes its result: of a request, or of a credential that can't be used. */
export async function explained(act: () => Promise<AdapterResult>): Promise<AdapterResult> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof InvalidRequest) return failed(error.problem.error, error.problem.message);
    throw error;
  }
}
