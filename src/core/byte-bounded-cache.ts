/** Remembers values up to a number of bytes together; what was used longest ago makes room. */
export class ByteBoundedCache<Value> {
  readonly #entries = new Map<string, { readonly value: Value; readonly bytes: number }>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    // A Map keeps the order of insertion: what is used moves to its end.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** @param bytes What the value weighs; one that is larger than the whole cache is not kept. */
  set(key: string, value: Value, bytes: number): void {
    this.delete(key);
    const weight = bytes + overheadBytes;
    if (weight > this.#bytesMax) return;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes + weight <= this.#bytesMax) break;
      this.delete(oldest);
    }
    this.#entries.set(key, { value, bytes: weight });
    this.#bytes += weight;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry && this.#entries.delete(key)) this.#bytes -= entry.bytes;
  }

  deleteWhere(isMeant: (key: string) => boolean): void {
    for (const key of [...this.#entries.keys()]) if (isMeant(key)) this.delete(key);
  }
}

/** So that a million small values have a bound too. */
const overheadBytes = 512;
