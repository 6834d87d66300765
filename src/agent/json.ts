/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The text with what the server can't store as U+FFFD: U+0000 and halves of surrogate pairs. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "\uFFFD");
}

/** The value with every text and key in it storable. */
export function storableJson(value: Json): Json {
  return /\\u(0000|d[89a-f])/.test(JSON.stringify(value)) ? replaceTexts(value) : value;
}

function replaceTexts(value: Json): Json {
  if (typeof value === "string") return storableText(value);
  if (Array.isArray(value)) return value.map(replaceTexts);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [storableText(key), replaceTexts(inner as Json)]),
  );
}
