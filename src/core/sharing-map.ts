/** Copying a map of so few entries is quicker than anything else. */
const copiedMax = 32;
const chunkLength = 32;

/**
 * The map with one more entry, or another value for a key that it has; the given map stays as it is. Beyond a few entries the two share
 * nearly all of their memory, so that a map of a thousand is not copied for each of a thousand changes.
 */
export function withEntry<Value>(
  map: ReadonlyMap<string, Value>,
  key: string,
  value: Value,
): ReadonlyMap<string, Value> {
  if (map instanceof SharingMap) return (map as SharingMap<Value>).with(key, value);
  return map.size < copiedMax ? new Map(map).set(key, value) : SharingMap.of(map).with(key, value);
}

/** The map without an entry; the given map stays as it is. */
export function withoutEntry<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
  if (map instanceof SharingMap) return (map as SharingMap<Value>).without(key);
  if (map.size > copiedMax) return SharingMap.of(map).without(key);
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}

const absent = Symbol("absent");
type Chunk<Value> = readonly (Value | typeof absent)[];

interface Parts<Value> {
  /** Where each key stands: of this map, and, from `length` on, of maps that were made of it. Only ever added to. */
  readonly places: Map<string, number>;
  /** The values by place, `chunkLength` to a chunk. */
  readonly chunks: readonly Chunk<Value>[];
  /** Places that are taken, those of entries that are gone included. */
  readonly length: number;
  readonly size: number;
}

/** Keys keep the place in which they came first. */
class SharingMap<Value> implements ReadonlyMap<string, Value> {
  readonly #parts: Parts<Value>;

  static of<Value>(map: ReadonlyMap<string, Value>): SharingMap<Value> {
    const [keys, values] = [[...map.keys()], [...map.values()]];
    const chunks = Array.from({ length: Math.ceil(values.length / chunkLength) }, (_, index) =>
      values.slice(index * chunkLength, (index + 1) * chunkLength),
    );
    const places = new Map(keys.map((key, place) => [key, place]));
    return new SharingMap({ places, chunks, length: keys.length, size: keys.length });
  }

  private constructor(parts: Parts<Value>) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#parts.size;
  }

  with(key: string, value: Value): SharingMap<Value> {
    const { length, size } = this.#parts;
    const place = this.#placeOf(key);
    if (place === undefined) {
      const places = this.#ownPlaces().set(key, length);
      return new SharingMap({ places, chunks: this.#chunksWith(length, value), length: length + 1, size: size + 1 });
    }
    const chunks = this.#chunksWith(place, value);
    return new SharingMap({ ...this.#parts, chunks, size: this.has(key) ? size : size + 1 });
  }

  without(key: string): SharingMap<Value> {
    const place = this.#placeOf(key);
    if (place === undefined || !this.has(key)) return this;
    return new SharingMap({ ...this.#parts, chunks: this.#chunksWith(place, absent), size: this.size - 1 });
  }

  get(key: string): Value | undefined {
    const found = this.#at(this.#placeOf(key));
    return found === absent ? undefined : found;
  }

  has(key: string): boolean {
    return this.#at(this.#placeOf(key)) !== absent;
  }

  // Lists and their iterators: a generator would take ten times as long.
  entries(): ArrayIterator<[string, Value]> {
    const { places, length } = this.#parts;
    const keys = [...places.keys()].slice(0, length);
    const entries = keys.map((key, place): [string, Value | typeof absent] => [key, this.#at(place)]);
    return entries.filter((entry): entry is [string, Value] => entry[1] !== absent).values();
  }

  keys(): ArrayIterator<string> {
    return [...this.entries()].map(([key]) => key).values();
  }

  values(): ArrayIterator<Value> {
    const { chunks, length, size } = this.#parts;
    const values = chunks.flat() as (Value | typeof absent)[];
    if (size === length) return (values as Value[]).values();
    return values.filter((value): value is Value => value !== absent).values();
  }

  [Symbol.iterator](): ArrayIterator<[string, Value]> {
    return this.entries();
  }

  forEach(visit: (value: Value, key: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this);
  }

  #placeOf(key: string): number | undefined {
    const place = this.#parts.places.get(key);
    return place === undefined || place >= this.#parts.length ? undefined : place;
  }

  #at(place: number | undefined): Value | typeof absent {
    if (place === undefined) return absent;
    return this.#parts.chunks[Math.floor(place / chunkLength)]![place % chunkLength]!;
  }

  /** To be added to: another map may have added to the shared ones already. */
  #ownPlaces(): Map<string, number> {
    const { places, length } = this.#parts;
    return places.size === length ? places : new Map([...places].slice(0, length));
  }

  #chunksWith(place: number, value: Value | typeof absent): readonly Chunk<Value>[] {
    const index = Math.floor(place / chunkLength);
    const chunk = this.#parts.chunks[index]?.slice() ?? [];
    chunk[place % chunkLength] = value;
    const chunks = this.#parts.chunks.slice();
    chunks[index] = chunk;
    return chunks;
  }
}
