import { limits } from "../core/limits.ts";
import type { JournalEntry, WriteResult } from "./journal-entry.ts";

/**
 * Tells entries what became of them, in their order and a few in each turn of the event loop: what follows from the first of a large
 * flush is then under way to the database while the last still have to hear, and neither waits for the other.
 */
export class Settlement {
  #entries: JournalEntry[] = [];
  #results: WriteResult[] = [];
  #isTelling = false;

  /** The first few hear at once. */
  settle(entries: readonly JournalEntry[], resultOf: (entry: JournalEntry) => WriteResult): void {
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#results.push(resultOf(entry));
    }
    if (!this.#isTelling) this.#tell();
  }

  /** True once everybody has heard. */
  isOver(): boolean {
    return !this.#isTelling;
  }

  #tell(): void {
    this.#isTelling = true;
    const entries = this.#entries.splice(0, limits.settledPerTurnMax);
    const results = this.#results.splice(0, limits.settledPerTurnMax);
    for (const [index, entry] of entries.entries()) entry.settled(results[index]!);
    if (this.#entries.length > 0) setImmediate(() => this.#tell());
    else this.#isTelling = false;
  }
}
