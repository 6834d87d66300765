import { isJsonObject, type Json, type JsonObject, storableJson } from "../core/json.ts";
import { limits } from "../core/limits.ts";

/** Of a detail that is too large: so much of its JSON is kept. Escaped once more, it still fits. */
const beginningLengthMax = 8_192;

/**
 * What may be kept of a detail: what its name says to be a secret is `***`, and one above `limits.auditDetailBytesMax` becomes
 * `{isCut: true, bytes, beginning}`, whose `beginning` is the first part of its JSON.
 */
export function maskedDetail(detail: JsonObject): JsonObject {
  const masked = storableJson(maskedByName(detail)) as JsonObject;
  const text = JSON.stringify(masked);
  const bytes = Buffer.byteLength(text);
  if (bytes <= limits.auditDetailBytesMax) return masked;
  return { isCut: true, bytes, beginning: text.slice(0, beginningLengthMax).toWellFormed() };
}

/** Compared without regard to case, blanks, hyphens and underscores: `api_key`, `apiKey` and `X-Api-Key` are alike. */
const secretName = /password|passwd|secret|token|apikey|privatekey|credential|authorization|cookie|session/;

function maskedByName(value: Json): Json {
  if (Array.isArray(value)) return value.map(maskedByName);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      inner !== null && secretName.test(name.toLowerCase().replaceAll(/[^a-z0-9]/g, "")) ? "***" : maskedByName(inner),
    ]),
  );
}
