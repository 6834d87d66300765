import { isJsonObject, type Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";

/**
 * A vendor's own words for why it refused, out of the shapes that the built-in vendors answer in (Okta's `errorSummary`, CrowdStrike's
 * `errors[]`, Microsoft's and Elastic's `error{}`, OAuth's `error_description`, Splunk's `messages[]`); undefined where there are none.
 * @returns At most `limits.vendorMessageLengthMax` characters, on one line.
 */
export function vendorMessage(body: Json | undefined): string | undefined {
  const said = wordsIn(body, 0).join("; ").replace(/\s+/g, " ").trim();
  return said === "" ? undefined : said.slice(0, limits.vendorMessageLengthMax).toWellFormed();
}

const keys = [
  "error_description",
  "errorSummary",
  "errorCauses",
  "message",
  "reason",
  "text",
  "error",
  "errors",
  "messages",
];

/** Errors stand at most in a list of an object of an object. */
const depthMax = 4;

function wordsIn(value: Json | undefined, depth: number): string[] {
  if (typeof value === "string") return [value];
  if (depth > depthMax || value === undefined) return [];
  if (Array.isArray(value)) return value.slice(0, 3).flatMap((item) => wordsIn(item, depth + 1));
  if (!isJsonObject(value)) return [];
  const found = keys.flatMap((key) => (Object.hasOwn(value, key) ? wordsIn(value[key], depth + 1) : []));
  return [...new Set(found)];
}
