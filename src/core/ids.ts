import { randomFillSync } from "node:crypto";

const random = new Uint8Array(10 * 256);
let used = random.length;

/**
 * A time-ordered UUID (RFC 9562, version 7): rows made together lie together, and ids sort by the millisecond they were made in.
 * @returns 48 bits of the time, the version, the variant and 74 random bits.
 */
export function newId(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  const hex = Buffer.from(random.buffer, used, 10).toString("hex");
  used += 10;
  const time = Date.now().toString(16).padStart(12, "0");
  const variant = ((Number.parseInt(hex.charAt(3), 16) & 0b11) | 0b1000).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-${variant}${hex.slice(4, 7)}-${hex.slice(7, 19)}`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True for a UUID of any version in lower case: what may be sent to a uuid column. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
