import { canonicalJson, isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { severityOf } from "../expressions/compare.ts";
import { isAscii } from "../expressions/required-text.ts";

/** Something that has happened, as playbooks' triggers see it. */
export interface OccurredEvent {
  /** As in a playbook's trigger, e.g. `finding.new`. */
  readonly type: string;
  /** E.g. `{ finding: {…}, asset: {…} }`, or the fields of the finding themselves. */
  readonly data: JsonObject;
}

// Nothing of JSON needs them; templates refuse them, too.
const REFUSED = new Set(["__proto__", "prototype", "constructor"]);
const INDEX = /^\d{1,9}$/;

/** The fields of one event, each looked up once however many triggers ask for it. */
export class EventFields {
  readonly #data: JsonObject;
  readonly #own: JsonObject;
  readonly #fields = new Map<string, Field>();

  constructor({ type, data }: OccurredEvent) {
    const [kind = ""] = type.split(".", 1);
    const object = kind === "action" ? data : ownValue(data, kind);
    this.#data = data;
    this.#own = isJsonObject(object) ? object : data;
  }

  /**
   * @param path Names and indexes with dots between them, looked up whole in the event's own object (`finding` of finding.new), and
   * where that finds nothing, in its data. `asset_tags` stands for the tags of the event's asset, or of its object's.
   */
  field(path: string): Field {
    let field = this.#fields.get(path);
    if (!field) {
      field = new Field(this.#lookUp(path));
      this.#fields.set(path, field);
    }
    return field;
  }

  #lookUp(path: string): readonly unknown[] {
    if (path === "asset_tags") {
      const tags = valuesAt(ownValue(this.#data, "asset") ?? ownValue(this.#own, "asset"), ["tags"]);
      if (isFound(tags)) return tags;
    }
    const segments = path.split(".");
    const values = valuesAt(this.#own, segments);
    return this.#own === this.#data || isFound(values) ? values : valuesAt(this.#data, segments);
  }
}

/** What an event has at one path. */
export class Field {
  /** Several where the path leads through a list; undefined for what is not there. At least one. */
  readonly values: readonly unknown[];
  readonly isFound: boolean;
  #singles: readonly unknown[] | undefined;
  #scalars: ReadonlySet<unknown> | undefined;
  #documents: ReadonlySet<string> | undefined;
  #texts: readonly FieldText[] | undefined;
  #items: ReadonlySet<unknown> | undefined;

  constructor(values: readonly unknown[]) {
    this.values = values;
    this.isFound = isFound(values);
  }

  /** The values, and of those that are lists the items, too: what comparisons compare. */
  get singles(): readonly unknown[] {
    this.#singles ??= this.values.some(Array.isArray)
      ? this.values.flatMap((value) => (Array.isArray(value) ? [value, ...(value as unknown[])] : [value]))
      : this.values;
    return this.#singles;
  }

  /** Those of the singles that are no objects or lists, as {@link scalarKey}. */
  get scalars(): ReadonlySet<unknown> {
    this.#scalars ??= new Set(this.singles.filter((value) => !isDocument(value)).map(scalarKey));
    return this.#scalars;
  }

  /** What those of the values that are lists hold, objects and lists left out, as {@link scalarKey}. */
  get items(): ReadonlySet<unknown> {
    this.#items ??= new Set(
      this.values
        .filter(Array.isArray)
        .flatMap((list: unknown[]) => list.filter((item) => !isDocument(item)).map(scalarKey)),
    );
    return this.#items;
  }

  /** The objects and lists among the singles, as canonical JSON. */
  get documents(): ReadonlySet<string> {
    this.#documents ??= new Set(this.singles.filter(isDocument).map((value) => canonicalJson(value)));
    return this.#documents;
  }

  /** The texts among the singles. */
  get texts(): readonly FieldText[] {
    this.#texts ??= this.singles
      .filter((value) => typeof value === "string")
      .map((text) => ({ text, folded: isAscii(text) ? text.toLowerCase() : undefined }));
    return this.#texts;
  }
}

/** A text among a field's values. */
export interface FieldText {
  readonly text: string;
  /** In lower case; undefined for what is not in ASCII, where that is not the whole truth about case. */
  readonly folded: string | undefined;
}

/** The same for two scalars that are equal: for a severity in any case, and for its score. What is not there is equal to null. */
export function scalarKey(value: unknown): unknown {
  return severityOf(value)?.score ?? value ?? null;
}

export function isDocument(value: unknown): value is JsonObject | readonly Json[] {
  return typeof value === "object" && value !== null;
}

function isFound(values: readonly unknown[]): boolean {
  return values.some((value) => value !== undefined);
}

/** As MongoDB does: a name leads through a list into each object in it, an index to one item. */
function valuesAt(root: unknown, segments: readonly string[]): readonly unknown[] {
  const found: unknown[] = [];
  if (!segments.some((segment) => REFUSED.has(segment))) collect(root, { segments, at: 0, found });
  return found.length > 0 ? found : [undefined];
}

interface Walk {
  readonly segments: readonly string[];
  readonly at: number;
  readonly found: unknown[];
}

function collect(value: unknown, { segments, at, found }: Walk): void {
  const segment = segments[at];
  const next = { segments, at: at + 1, found };
  if (segment === undefined) found.push(value);
  else if (!Array.isArray(value)) collect(ownValue(value, segment), next);
  else if (INDEX.test(segment)) collect((value as unknown[])[Number(segment)], next);
  else for (const item of value as unknown[]) if (isJsonObject(item)) collect(ownValue(item, segment), next);
}

function ownValue(object: unknown, key: string): unknown {
  return isJsonObject(object) && Object.hasOwn(object, key) ? object[key] : undefined;
}
