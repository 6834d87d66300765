import { BadInputError } from "../core/failures.ts";

// A cursor is opaque to clients. Both kinds are one number in base64url, told apart by a letter: r, the sequence of an event within its
// run; t, the oldest transaction that a subscriber to a tenant's runs may not have seen yet.

export function runCursor(sequence: number): string {
  return encode("r", sequence);
}

export function tenantCursor(xid: number): string {
  return encode("t", xid);
}

/** @throws BadInputError when the text is no cursor of a run's events. */
export function sequenceOf(cursor: string | null | undefined): number {
  return cursor == null ? 0 : decode("r", cursor);
}

/** @throws BadInputError when the text is no cursor of a tenant's updates. */
export function xidOf(cursor: string | null | undefined): number | undefined {
  return cursor == null ? undefined : decode("t", cursor);
}

function encode(kind: "r" | "t", value: number): string {
  return Buffer.from(`${kind}${value}`).toString("base64url");
}

function decode(kind: "r" | "t", cursor: string): number {
  const text = Buffer.from(cursor, "base64url").toString("latin1");
  if (!new RegExp(`^${kind}\\d{1,15}$`).test(text)) {
    throw new BadInputError("This is no cursor of this stream; take one that it, or the query it goes with, answered.");
  }
  return Number(text.slice(1));
}
