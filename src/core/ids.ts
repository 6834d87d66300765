import * as crypto from "node:crypto";

/** A time-ordered UUID (RFC 9562, version 7): rows made together lie together, and ids sort by when they were made. */
export function newId(): string {
  // @types/node follows Node 24, which has no randomUUIDv7 yet; Node 26 has.
  return (crypto as unknown as { randomUUIDv7(): string }).randomUUIDv7();
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True for a UUID of any version in lower case: what may be sent to a uuid column. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
