import { createHash } from "node:crypto";

/** What JSON can say. Objects have own enumerable properties only. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** True for a plain object: not null, not an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as JSON with the keys of every object sorted, so that equal documents give equal text whatever format they came in. */
export function canonicalJson(value: Json): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isJsonObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

/** SHA-256 of a text or bytes, in lower-case hex (64 characters). */
export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** PostgreSQL takes no U+0000, and jsonb no half of a surrogate pair either. */
export function isStorableText(text: string): boolean {
  return !text.includes("\u0000") && text.isWellFormed();
}

/** The text with what can't be stored ({@link isStorableText}) as U+FFFD. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "\uFFFD");
}

const unstorable = /\\u(0000|d[89a-f])/;

/** The value with every text and key in it storable; the same object where nothing had to change. `text` is its JSON. */
export function storableJson(value: Json, text = JSON.stringify(value)): Json {
  return unstorable.test(text) ? replaceTexts(value) : value;
}

function replaceTexts(value: Json): Json {
  if (typeof value === "string") return storableText(value);
  if (Array.isArray(value)) return value.map(replaceTexts);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storableText(key), replaceTexts(inner)]));
}
