import { knownBytes } from "../core/json-bytes.ts";
import { limits } from "../core/limits.ts";
import type { JournalEntry } from "./journal-entry.ts";

/** What waits for the journal, in its order. It takes whatever comes; who can come later asks whether there is room. */
export class JournalQueue {
  #entries: JournalEntry[] = [];
  /** About the bytes that the entries hold in memory. */
  #weight = 0;
  #heldBack: (() => void)[] = [];

  get length(): number {
    return this.#entries.length;
  }

  push(entry: JournalEntry): void {
    this.#entries.push(entry);
    this.#weight += weightOf(entry);
  }

  /** The first entries, as many as one flush takes; at least one. */
  take(): readonly JournalEntry[] {
    let events = 0;
    let bytes = 0;
    let count = 0;
    while (count < this.#entries.length && events < limits.flushEventsMax && bytes < limits.flushBytesMax) {
      const entry = this.#entries[count]!;
      events += entry.events.length;
      bytes += largeBytes(entry);
      count += 1;
    }
    return this.#remove(count);
  }

  takeAll(): readonly JournalEntry[] {
    return this.#remove(this.#entries.length);
  }

  /** Undefined while there is room for what could also come later, such as log lines; else resolves once there is. */
  room(): Promise<void> | undefined {
    if (this.#hasRoom()) return undefined;
    return new Promise((resolve) => this.#heldBack.push(resolve));
  }

  #hasRoom(): boolean {
    return this.#weight < limits.journalWaitingBytesMax;
  }

  /** As many as fill the room: with all at once it would be taken many times over. After the last entry nobody would call the others. */
  #callBack(): void {
    const room = limits.journalWaitingBytesMax - this.#weight;
    const count = this.#entries.length === 0 ? this.#heldBack.length : Math.ceil(room / pipeBytes);
    for (const goOn of this.#heldBack.splice(0, Math.max(count, 0))) goOn();
  }

  #remove(count: number): readonly JournalEntry[] {
    const removed = this.#entries.splice(0, count);
    for (const entry of removed) this.#weight -= weightOf(entry);
    this.#callBack();
    return removed;
  }
}

/** What whoever is called back comes with: a script's pipe holds as much. */
const pipeBytes = 64 * 1024;
/** What an event takes in memory besides what may be large of it: its fields, its row, and the entry around it. */
const eventBytes = 1_000;

// Added and subtracted: it must not change while the entry waits, so only what was measured before it came may count.
function weightOf(entry: JournalEntry): number {
  let bytes = entry.events.length * eventBytes;
  for (const { body } of entry.events) bytes += textBytes(body?.["text"]);
  return bytes;
}

function textBytes(text: unknown): number {
  return typeof text === "string" ? text.length : 0;
}

/** About how much an entry writes: what may be large of it. */
function largeBytes({ events, birth }: JournalEntry): number {
  let bytes = knownBytes(birth?.context) + knownBytes(birth?.parameters);
  for (const { body } of events) {
    if (body) bytes += knownBytes(body["output"]) + knownBytes(body["input"]) + knownBytes(body["text"]);
  }
  return bytes;
}
