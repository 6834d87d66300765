import { decodeStreamCursor, encodeStreamCursor } from "../core/stream-cursor.ts";

export function runCursor(sequence: number): string {
  return encodeStreamCursor("r", sequence);
}

/** @throws BadInputError when the text is no cursor of a run's events. */
export function sequenceOf(cursor: string | null | undefined): number {
  return cursor == null ? 0 : decodeStreamCursor("r", cursor);
}
