/** Choices that are the same for the same seed, however much time passes between them. */
export interface Chance {
  readonly name: string;
  /** A number from 0 (included) to `end` (not included). */
  below(end: number): number;
  /** A whole number, both bounds included. */
  between(first: number, last: number): number;
  pick<T>(list: readonly T[]): T;
  /** True with this probability. */
  isHit(probability: number): boolean;
  /** Choices of their own for a part: what the others choose, and when, does not change them. */
  of(part: string): Chance;
}

export function chanceOf(seed: string, name = "chaos"): Chance {
  let state = hashOf(`${seed}/${name}`);
  const next = (): number => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (first: number, last: number) => first + Math.floor(next() * (last - first + 1));
  return {
    name,
    below: (end) => next() * end,
    between,
    pick<T>(list: readonly T[]): T {
      if (list.length === 0) throw new Error("There is nothing to pick from.");
      return list[between(0, list.length - 1)] as T;
    },
    isHit: (probability) => next() < probability,
    of: (part) => chanceOf(seed, part),
  };
}

/** FNV-1a, 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
