import type { Json, JsonObject } from "../core/json.ts";
import { EventFields, isDocument, type OccurredEvent, scalarKey } from "./event-fields.ts";
import { type Conjunct, conjunctsOf, type EventTest } from "./trigger-match.ts";

/** A condition that any number of triggers share. */
interface Predicate {
  readonly number: number;
  readonly cost: number;
  readonly test: EventTest;
  readonly equal: Conjunct["equal"];
  /** How many triggers have it. */
  uses: number;
}

interface Trigger<Value> {
  readonly number: number;
  readonly value: Value;
  readonly predicates: Predicate[];
}

/** Where the triggers are that one look at an event finds. */
interface Arrangement<Value> {
  /** Those that want a field to have one of some values: by the field, then by the value. */
  readonly byValue: ReadonlyMap<string, ReadonlyMap<unknown, readonly Trigger<Value>[]>>;
  readonly others: readonly Trigger<Value>[];
}

/**
 * Many triggers of one type of event, matched together: a condition that several have is tested once for each event, and a trigger that
 * wants a field to have a certain value is not even looked at where the event has another.
 */
export class TriggerIndex<Value> {
  readonly #predicates = new Map<string, Predicate>();
  readonly #triggers: Trigger<Value>[] = [];
  #arrangement: Arrangement<Value> | undefined;
  #bytes = 0;

  /** About what it takes of memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * @param conditions As `checkTrigger` lets them through.
   * @throws Error for others, and has not changed then.
   */
  add(conditions: JsonObject, value: Value): void {
    const conjuncts = new Map(conjunctsOf(conditions).map((conjunct) => [conjunct.key, conjunct]));
    const fresh = [...conjuncts.values()].filter(({ key }) => !this.#predicates.has(key));
    // Compiled before anything is kept: it is what may throw.
    const tests = fresh.map((conjunct) => ({ conjunct, test: conjunct.compile() }));
    for (const { conjunct, test } of tests) this.#addPredicate(conjunct, test);
    const predicates = [...conjuncts.keys()].flatMap((key) => this.#predicates.get(key) ?? []);
    for (const predicate of predicates) predicate.uses++;
    this.#triggers.push({ number: this.#triggers.length, value, predicates });
    this.#arrangement = undefined;
    this.#bytes += triggerBytes + predicates.length * 8;
  }

  #addPredicate({ key, cost, equal, bytes }: Conjunct, test: EventTest): void {
    this.#predicates.set(key, { number: this.#predicates.size, cost, test, equal, uses: 0 });
    this.#bytes += bytes;
  }

  /** The values of the triggers that match, in the order in which they were added. */
  match(event: OccurredEvent): Value[] {
    const work = this.matching(event);
    for (;;) {
      const next = work.next();
      if (next.done) return next.value;
    }
  }

  /** {@link match} in small steps: it yields after each condition that it has tested. */
  *matching(event: OccurredEvent): Generator<void, Value[]> {
    this.#arrangement ??= arrange(this.#triggers);
    const { byValue, others } = this.#arrangement;
    const fields = new EventFields(event);
    const known = new Int8Array(this.#predicates.size);
    const isSeen = new Uint8Array(this.#triggers.length);
    const found: Trigger<Value>[] = [];
    for (const triggers of [...groupsOf(byValue, fields), others]) {
      for (const trigger of triggers) {
        // An event with two of the values that a trigger takes leads to it twice.
        if (isSeen[trigger.number]) continue;
        isSeen[trigger.number] = 1;
        let holds = true;
        for (const { number, test } of trigger.predicates) {
          if (known[number] === unknown) {
            known[number] = test(fields) ? yes : no;
            yield;
          }
          holds = known[number] === yes;
          if (!holds) break;
        }
        if (holds) found.push(trigger);
      }
    }
    return found.sort((a, b) => a.number - b.number).map(({ value }) => value);
  }
}

const [unknown, yes, no] = [0, 1, -1];

const triggerBytes = 250;

function arrange<Value>(triggers: readonly Trigger<Value>[]): Arrangement<Value> {
  const uses = usesOfValues(triggers);
  const byValue = new Map<string, Map<unknown, Trigger<Value>[]>>();
  const others: Trigger<Value>[] = [];
  for (const trigger of triggers) {
    // What costs little first, and of that what answers for the most others.
    trigger.predicates.sort((a, b) => a.cost - b.cost || b.uses - a.uses);
    const home = rarest(trigger.predicates, uses);
    if (home) {
      const values = mapAt(byValue, home.field, () => new Map<unknown, Trigger<Value>[]>());
      for (const key of keysOf(home)) mapAt(values, key, () => []).push(trigger);
    } else others.push(trigger);
  }
  return { byValue, others };
}

type Equal = NonNullable<Conjunct["equal"]>;
type Uses = ReadonlyMap<string, ReadonlyMap<unknown, number>>;

/** How many triggers want a field to have a value. */
function usesOfValues(triggers: readonly Trigger<unknown>[]): Uses {
  const uses = new Map<string, Map<unknown, number>>();
  for (const { predicates } of triggers) {
    for (const equal of predicates.flatMap((predicate) => indexable(predicate) ?? [])) {
      const values = mapAt(uses, equal.field, () => new Map<unknown, number>());
      for (const key of keysOf(equal)) values.set(key, (values.get(key) ?? 0) + 1);
    }
  }
  return uses;
}

/** The condition on a value that leads to the fewest other triggers. */
function rarest(predicates: readonly Predicate[], uses: Uses): Equal | undefined {
  let least = Number.POSITIVE_INFINITY;
  let found: Equal | undefined;
  for (const equal of predicates.flatMap((predicate) => indexable(predicate) ?? [])) {
    const most = Math.max(0, ...keysOf(equal).map((key) => uses.get(equal.field)?.get(key) ?? 0));
    if (most < least) [least, found] = [most, equal];
  }
  return found;
}

/** Equality with objects and lists is left to the test, and so are lists of thousands of values. */
function indexable({ equal }: Predicate): Equal | undefined {
  return equal && equal.operands.length <= indexedOperandsMax && !equal.operands.some(isDocument) ? equal : undefined;
}

const indexedOperandsMax = 100;

function keysOf({ operands }: { readonly operands: readonly Json[] }): unknown[] {
  return [...new Set(operands.map(scalarKey))];
}

/** The groups of triggers that the event's values lead to. */
function groupsOf<Value>(byValue: Arrangement<Value>["byValue"], fields: EventFields): (readonly Trigger<Value>[])[] {
  return [...byValue].flatMap(([field, values]) =>
    [...fields.field(field).scalars].flatMap((key) => {
      const triggers = values.get(key);
      return triggers ? [triggers] : [];
    }),
  );
}

function mapAt<Key, Item>(map: Map<Key, Item>, key: Key, make: () => Item): Item {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
