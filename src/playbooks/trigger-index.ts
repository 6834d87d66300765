import type { JsonObject } from "../core/json.ts";
import { EventFields, isDocument, type OccurredEvent, scalarKey } from "./event-fields.ts";
import { type Conjunct, conjunctsOf, type EventTest } from "./trigger-match.ts";

interface TriggerOf<Value> {
  /** As `checkTrigger` lets them through; with others, the trigger matches nothing. */
  readonly conditions: JsonObject;
  /** What stands for it in answers. */
  readonly value: Value;
}

/**
 * Many triggers of one type of event, matched together: a condition that several have is tested once for each event, and a trigger that
 * wants a field to have a certain value is not even looked at where the event has another.
 */
export class TriggerIndex<Value> {
  /** About what it takes of memory. */
  readonly bytes: number;
  readonly #values: readonly Value[];
  readonly #table: Table;

  constructor(values: readonly Value[], table: Table) {
    this.bytes = table.bytes;
    this.#values = values;
    this.#table = table;
  }

  /** The values of the triggers that match, in the order in which they were given. */
  match(event: OccurredEvent): Value[] {
    return finished(this.matching(event));
  }

  /** {@link match} in small steps: it yields after each condition that it has tested. */
  *matching(event: OccurredEvent): Generator<void, Value[]> {
    const { tests, numbers, starts, predicates, byValue, others } = this.#table;
    const fields = new EventFields(event);
    const known = new Int8Array(tests.length);
    const isSeen = new Uint8Array(numbers.length);
    const found: number[] = [];
    for (const places of [...placesOf(byValue, fields), others]) {
      for (const place of places) {
        // An event with two of the values that a trigger takes leads to it twice.
        if (isSeen[place]) continue;
        isSeen[place] = 1;
        let holds = true;
        const end = starts[place + 1] as number;
        for (let at = starts[place] as number; holds && at < end; at++) {
          const predicate = predicates[at] as number;
          if (known[predicate] === unknown) {
            known[predicate] = tests[predicate]?.(fields) ? yes : no;
            yield;
          }
          holds = known[predicate] === yes;
        }
        if (holds) found.push(numbers[place] as number);
      }
    }
    return found.sort((a, b) => a - b).map((number) => this.#values[number] as Value);
  }
}

const [unknown, yes, no] = [0, 1, -1];

/** An index of these triggers, made in small steps. */
export function* indexTriggers<Value>(triggers: Iterable<TriggerOf<Value>>): Generator<void, TriggerIndex<Value>> {
  const values: Value[] = [];
  const predicates = new Map<string, Predicate>();
  const drafts: Draft[] = [];
  for (const { conditions, value } of triggers) {
    const own = readable(conditions)?.map((conjunct) => shared(predicates, conjunct));
    if (own) drafts.push({ number: values.length, predicates: [...new Set(own)] });
    values.push(value);
    yield;
  }
  for (const draft of drafts) {
    for (const predicate of draft.predicates) predicate.uses++;
  }
  return new TriggerIndex(values, yield* tableOf(drafts));
}

/** What comes of it at the end. */
export function finished<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
  }
}

/** A condition that any number of triggers share. */
interface Predicate extends Conjunct {
  uses: number;
  place: number | undefined;
}

interface Draft {
  readonly number: number;
  readonly predicates: Predicate[];
}

// Conditions are checked before they are stored. If some can't be read all the same, the other triggers still work.
function readable(conditions: JsonObject): Conjunct[] | undefined {
  try {
    return conjunctsOf(conditions);
  } catch {
    return undefined;
  }
}

function compiled({ compile }: Conjunct): EventTest {
  try {
    return compile();
  } catch {
    return () => false;
  }
}

function shared(predicates: Map<string, Predicate>, conjunct: Conjunct): Predicate {
  return mapAt(predicates, conjunct.key, () => ({ ...conjunct, uses: 0, place: undefined }));
}

/**
 * Flat, since with 10,000 triggers the time goes by the memory that is touched. Triggers and predicates stand in the order in which they
 * are tested, those that are alike side by side.
 */
interface Table {
  readonly bytes: number;
  /** By predicate. */
  readonly tests: readonly EventTest[];
  /** By the trigger's place: which of those given it is. */
  readonly numbers: Int32Array;
  /** By the trigger's place: where its predicates begin in `predicates`. They end where the next one's begin. */
  readonly starts: Int32Array;
  readonly predicates: Int32Array;
  /** The places of triggers that want a field to have one of some values: by the field, then by the value. */
  readonly byValue: ByValue;
  readonly others: readonly number[];
}

type ByValue = ReadonlyMap<string, ReadonlyMap<unknown, readonly number[]>>;

function* tableOf(drafts: Draft[]): Generator<void, Table> {
  // What costs little first, and of that what answers for the most others.
  for (const { predicates } of drafts) predicates.sort((a, b) => a.cost - b.cost || b.uses - a.uses);
  const kinds = new Map(drafts.map((draft) => [draft, draft.predicates.map(({ kind }) => kind).join()]));
  drafts.sort((a, b) => compareTexts(kinds.get(a) ?? "", kinds.get(b) ?? "") || a.number - b.number);
  const tests: EventTest[] = [];
  const places: number[] = [];
  const starts = [0];
  let bytes = drafts.length * triggerBytes;
  for (const { predicates } of drafts) {
    for (const predicate of predicates) {
      if (predicate.place === undefined) {
        predicate.place = tests.length;
        tests.push(compiled(predicate));
        bytes += predicate.bytes;
      }
      places.push(predicate.place);
    }
    starts.push(places.length);
    yield;
  }
  const numbers = Int32Array.from(drafts, ({ number }) => number);
  return {
    bytes,
    tests,
    numbers,
    starts: Int32Array.from(starts),
    predicates: Int32Array.from(places),
    ...homesOf(drafts),
  };
}

// With what leads to it, and a small value that stands for it.
const triggerBytes = 300;

function homesOf(drafts: readonly Draft[]): Pick<Table, "byValue" | "others"> {
  const uses = usesOfValues(drafts);
  const byValue = new Map<string, Map<unknown, number[]>>();
  const others: number[] = [];
  for (const [place, { predicates }] of drafts.entries()) {
    const home = rarest(predicates, uses);
    if (!home) others.push(place);
    else for (const key of home.keys) mapAt(valuesOf(byValue, home.field), key, () => []).push(place);
  }
  return { byValue, others };
}

interface Wanted {
  readonly field: string;
  readonly keys: readonly unknown[];
}

/** How many triggers want a field to have a value. */
function usesOfValues(drafts: readonly Draft[]): Map<string, Map<unknown, number>> {
  const uses = new Map<string, Map<unknown, number>>();
  for (const { field, keys } of drafts.flatMap(({ predicates }) => predicates.flatMap(wantedBy))) {
    const values = valuesOf(uses, field);
    for (const key of keys) values.set(key, (values.get(key) ?? 0) + 1);
  }
  return uses;
}

/** The condition on a value that leads to the fewest other triggers. */
function rarest(
  predicates: readonly Predicate[],
  uses: ReadonlyMap<string, ReadonlyMap<unknown, number>>,
): Wanted | undefined {
  let least = Number.POSITIVE_INFINITY;
  let found: Wanted | undefined;
  for (const wanted of predicates.flatMap(wantedBy)) {
    const most = Math.max(0, ...wanted.keys.map((key) => uses.get(wanted.field)?.get(key) ?? 0));
    if (most < least) [least, found] = [most, wanted];
  }
  return found;
}

/** Equality with objects and lists is left to the test, and so are lists of very many values. */
function wantedBy({ equal }: Conjunct): Wanted | [] {
  if (!equal || equal.operands.length > wantedValuesMax || equal.operands.some(isDocument)) return [];
  return { field: equal.field, keys: [...new Set(equal.operands.map(scalarKey))] };
}

const wantedValuesMax = 100;

/** The groups of triggers that the event's values lead to. */
function placesOf(byValue: ByValue, fields: EventFields): (readonly number[])[] {
  return [...byValue].flatMap(([field, values]) =>
    [...fields.field(field).scalars].flatMap((key) => {
      const places = values.get(key);
      return places ? [places] : [];
    }),
  );
}

function valuesOf<Item>(map: Map<string, Map<unknown, Item>>, field: string): Map<unknown, Item> {
  return mapAt(map, field, () => new Map<unknown, Item>());
}

function mapAt<Key, Item>(map: Map<Key, Item>, key: Key, make: () => Item): Item {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function compareTexts(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
