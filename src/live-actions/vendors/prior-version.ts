import { canonicalJson, isJsonObject, type JsonObject } from "../../core/json.ts";
import { type FailedResult, failed } from "../vendor-answer.ts";

/**
 * What a call replaced, for its details, with its length as JSON: secrets are masked in what is stored, and a version with `***` in it must
 * never be put back. Masking always shortens; a hash would let a masked secret be guessed.
 */
export function keepPrior(prior: JsonObject): JsonObject {
  return { prior, prior_length: lengthOf(prior) };
}

function lengthOf(prior: JsonObject): number {
  return canonicalJson(prior).length;
}

/** What the details kept, as it was; a failure where there is nothing, or where it is not the same any more. */
export function readPrior(
  { prior, prior_length: length }: JsonObject,
  what: string,
): { readonly prior: JsonObject } | { readonly failure: FailedResult } {
  if (!isJsonObject(prior) || typeof length !== "number") {
    return { failure: failed("nothing_kept", `The details of the call do not say what ${what} was.`) };
  }
  if (lengthOf(prior) === length) return { prior };
  const summary = `What ${what} was held a secret, which is kept nowhere. Put it back by hand.`;
  return { failure: failed("secret_not_kept", summary) };
}
