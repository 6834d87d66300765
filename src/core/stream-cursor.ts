import { BadInputError } from "./failures.ts";

// A cursor of a stream is opaque to clients: one number in base64url, behind a letter that tells what it counts. r: the sequence of an
// event within its run; t: the oldest transaction that a subscriber to a tenant's changes may not have seen yet.

export function encodeStreamCursor(kind: "r" | "t", value: number): string {
  return Buffer.from(`${kind}${value}`).toString("base64url");
}

/** @throws BadInputError when the text is no cursor of this kind. */
export function decodeStreamCursor(kind: "r" | "t", cursor: string): number {
  const text = Buffer.from(cursor, "base64url").toString("latin1");
  if (!new RegExp(`^${kind}\\d{1,15}$`).test(text)) {
    throw new BadInputError("This is no cursor of this stream; take one that it, or the query it goes with, answered.");
  }
  return Number(text.slice(1));
}

export function tenantCursor(xid: number): string {
  return encodeStreamCursor("t", xid);
}

/** @throws BadInputError when the text is no cursor of a tenant's changes. */
export function xidOf(cursor: string | null | undefined): number | undefined {
  return cursor == null ? undefined : decodeStreamCursor("t", cursor);
}
