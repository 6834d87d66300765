/** A place in a source text; both count from 1, the column in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** What a place in a document is asked for: the key of the field, or its value. */
export type Part = "key" | "value";

interface Place {
  readonly offset: number;
  readonly keyOffset: number | undefined;
  /** The text of an unquoted YAML scalar that is no text. */
  readonly plain: string | undefined;
}

/** Where every field of a document stands in its source text. */
export class SourceMap {
  readonly #text: string;
  readonly #places = new Map<string, Place>();
  #lineStarts: number[] | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** Notes where the value of a path begins; the first note of a path stays. */
  mark(path: string, place: { offset: number; keyOffset?: number | undefined; plain?: string | undefined }): void {
    if (this.#places.has(path)) return;
    this.#places.set(path, { offset: place.offset, keyOffset: place.keyOffset, plain: place.plain });
  }

  /** Where the path's key or value stands; for a path that is not there (a missing field) where what encloses it stands. */
  at(path: string, part: Part = "value"): Position {
    const known = this.#nearest(path);
    const isItself = known.path === path;
    const offset = part === "key" && isItself ? (known.place?.keyOffset ?? known.place?.offset) : known.place?.offset;
    return this.position(offset ?? 0);
  }

  /** Where the character `offset` of the text `value` at a path stands; where its beginning stands, if it is not written word for word. */
  within(path: string, value: string, offset: number): Position {
    const start = this.#places.get(path)?.offset;
    if (start === undefined) return this.at(path);
    for (const base of [start, start + 1]) {
      if (this.#text.startsWith(value, base)) return this.position(base + Math.min(offset, value.length));
    }
    return this.position(start);
  }

  /** How a value that is no text was written, where YAML read it from unquoted text. */
  plain(path: string): string | undefined {
    return this.#places.get(path)?.plain;
  }

  position(offset: number): Position {
    this.#lineStarts ??= lineStarts(this.#text);
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.#lineStarts[low] ?? 0) + 1 };
  }

  #nearest(path: string): { path: string; place: Place | undefined } {
    for (let current = path; ; current = parentPath(current)) {
      const place = this.#places.get(current);
      if (place || current === "$") return { path: current, place };
    }
  }
}

/** The path of what encloses a path; `$` for what can't be read as a path. */
export function parentPath(path: string): string {
  if (path.endsWith('"]')) {
    // The key is a JSON text: its first quote is the last `["` that an even number of quotes follows; a shorter way is to try.
    for (let at = path.lastIndexOf('["'); at > 0; at = path.lastIndexOf('["', at - 1)) {
      if (isJsonText(path.slice(at + 1, -1))) return path.slice(0, at);
    }
    return "$";
  }
  const cut = path.endsWith("]") ? path.lastIndexOf("[") : path.lastIndexOf(".");
  return cut > 0 ? path.slice(0, cut) : "$";
}

function isJsonText(text: string): boolean {
  try {
    return typeof JSON.parse(text) === "string";
  } catch {
    return false;
  }
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
