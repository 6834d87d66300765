import { limits } from "../core/limits.ts";

/** Remembers what was made of a text. The oldest entry makes room for a new one; long texts are never kept. */
export class BoundedCache<Value> {
  readonly #entries = new Map<string, Value>();
  readonly #entriesMax: number;

  /** @param entriesMax Entries kept at most. */
  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  /** What `make` gave for this text, now or earlier. What it throws is not remembered. */
  get(text: string, make: (text: string) => Value): Value {
    const known = this.#entries.get(text);
    if (known !== undefined) return known;
    const made = make(text);
    if (text.length <= limits.keptTextLengthMax) this.#keep(text, made);
    return made;
  }

  #keep(text: string, value: Value): void {
    if (this.#entries.size >= this.#entriesMax) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(text, value);
  }
}
