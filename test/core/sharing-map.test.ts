import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { withEntry, withoutEntry } from "../../src/core/sharing-map.ts";

const keys = Array.from({ length: 100 }, (_, index) => `key-${index}`);
const mapOf = (count: number) => new Map(keys.slice(0, count).map((key, index) => [key, index]));

/** Everything that can be asked of a map, in an order of its own. */
function askedOf(map: ReadonlyMap<string, number>) {
  const each: [string, number][] = [];
  map.forEach((value, key) => {
    each.push([key, value]);
  });
  const known = keys.map((key) => [map.has(key), map.get(key)]);
  const sorted = (list: readonly unknown[]) => list.map((item) => JSON.stringify(item)).sort();
  return { size: map.size, known, lists: [[...map], each, [...map.keys()], [...map.values()]].map(sorted) };
}

describe("a map that is changed by making another", () => {
  test("is as a copy that was changed, whatever was made of it before", () => {
    const change = fc.record({ of: fc.nat(), key: fc.constantFrom(...keys), value: fc.option(fc.nat()) });
    fc.assert(
      fc.property(fc.constantFrom(0, 31, 32, 33, 64, 70), fc.array(change, { maxLength: 60 }), (count, changes) => {
        const made = [{ map: mapOf(count) as ReadonlyMap<string, number>, model: mapOf(count) }];
        for (const { of, key, value } of changes) {
          const { map, model } = made[of % made.length]!;
          const copy = new Map(model);
          if (value === null) copy.delete(key);
          else copy.set(key, value);
          made.push({ map: value === null ? withoutEntry(map, key) : withEntry(map, key, value), model: copy });
        }
        for (const { map, model } of made) expect(askedOf(map)).toEqual(askedOf(model));
      }),
    );
  });

  test("keeps its keys in the order in which they came", () => {
    const large = withEntry(withEntry(mapOf(60), "key-7", 0), "key-80", 1);
    expect([...large.keys()]).toEqual([...keys.slice(0, 60), "key-80"]);
    expect([...withoutEntry(large, "key-0").keys()].slice(0, 2)).toEqual(["key-1", "key-2"]);
  });
});
