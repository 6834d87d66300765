import { limits } from "../core/limits.ts";
import { Journal, type JournalPorts } from "./journal.ts";

/**
 * The journals of a node. A run keeps the one that it was given, so that its events become durable in their order; runs do not wait for
 * each other's. A few runs share the first journal's commits; only where that has its hands full do further runs go to another, which
 * PostgreSQL then works for on another core.
 */
export class Journals {
  readonly #journals: readonly Journal[];

  constructor(ports: JournalPorts) {
    this.#journals = Array.from({ length: limits.journalsMax }, () => new Journal(ports));
  }

  /** The journal for one more run. */
  assign(): Pick<Journal, "append" | "room"> {
    const [first, ...others] = this.#journals as [Journal, ...Journal[]];
    if (first.load < limits.journalLoadMax) return first;
    return others.reduce((least, journal) => (journal.load < least.load ? journal : least), first);
  }

  /** This node may not write any more. */
  abandon(): void {
    for (const journal of this.#journals) journal.abandon();
  }

  /** Writes what is left and closes the connections. */
  async stop(): Promise<void> {
    await Promise.all(this.#journals.map((journal) => journal.stop()));
  }
}
