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
  readonly #onThrown: (entry: JournalEntry, error: unknown) => void;

  /** `onThrown` is told of an entry that broke while it heard: that is a bug of its run, and must not keep the others from hearing. */
  constructor(onThrown: (entry: JournalEntry, error: unknown) => void) {
    this.#onThrown = onThrown;
  }

  /** They hear once `tell` is called. */
  add(entries: readonly JournalEntry[], resultOf: (entry: JournalEntry) => WriteResult): void {
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#results.push(resultOf(entry));
    }
  }

  /** The first few hear at once. */
  tell(): void {
    if (!this.#isTelling) this.#tellSome();
  }

  /** True once everybody has heard. */
  isOver(): boolean {
    return !this.#isTelling && this.#entries.length === 0;
  }

  #tellSome(): void {
    this.#isTelling = true;
    const entries = this.#entries.splice(0, limits.settledPerTurnMax);
    const results = this.#results.splice(0, limits.settledPerTurnMax);
    for (const [index, entry] of entries.entries()) {
      try {
        entry.settled(results[index]!);
      } catch (error) {
        this.#onThrown(entry, error);
      }
    }
    if (this.#entries.length > 0) setImmediate(() => this.#tellSome());
    else this.#isTelling = false;
  }
}
