import type { Json } from "./json.ts";

/** Of objects, which do not change: each is measured once, however often it is asked about. */
const measured = new WeakMap<object, number>();

/** Bytes of the value as JSON. */
export function jsonBytes(value: Json | undefined): number {
  if (value === undefined) return 0;
  const known = typeof value === "object" && value !== null ? measured.get(value) : undefined;
  return known ?? noteBytes(value, Buffer.byteLength(JSON.stringify(value)));
}

/** For whoever has the value's JSON at hand. @returns `bytes` */
export function noteBytes(value: Json, bytes: number): number {
  if (typeof value === "object" && value !== null) measured.set(value, bytes);
  return bytes;
}

/** Bytes of what was measured before, about those of a text, and 0 for all else: for where small things do not count. */
export function knownBytes(value: Json | undefined): number {
  if (typeof value === "string") return value.length;
  return typeof value === "object" && value !== null ? (measured.get(value) ?? 0) : 0;
}

/** The least that the value takes as JSON, without a look into its texts: for what may be far too large to be measured. */
export function leastJsonBytes(value: Json): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null) return 1;
  let bytes = 2;
  // The indexes of lists are not written.
  const keys = Array.isArray(value) ? 0 : 1;
  for (const [key, inner] of Object.entries(value)) bytes += keys * key.length + leastJsonBytes(inner as Json);
  return bytes;
}
