import type { Json } from "../core/json.ts";
import { childPath } from "../core/json-path.ts";
import { type DocumentReading, UnreadableText } from "./document-reading.ts";

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const WORD = /true|false|null/y;

/**
 * Reads JSON (RFC 8259) and where each value stands. `JSON.parse` tells neither, and lets duplicate keys and numbers that
 * lose digits through.
 * @throws UnreadableText at the first thing that is no JSON, and past the bounds of `limits`.
 */
export function readJson(text: string, reading: DocumentReading): Json {
  const reader = new JsonReader(text, reading);
  return reader.document();
}

class JsonReader {
  readonly #text: string;
  readonly #reading: DocumentReading;
  #at = 0;

  constructor(text: string, reading: DocumentReading) {
    this.#text = text;
    this.#reading = reading;
  }

  document(): Json {
    const value = this.#value("$", { depth: 0 });
    this.#space();
    if (this.#at < this.#text.length) throw this.#unexpected("the end of the document");
    return value;
  }

  #value(path: string, context: { depth: number; keyOffset?: number | undefined }): Json {
    this.#space();
    const offset = this.#at;
    this.#reading.enter({ path, depth: context.depth, offset });
    this.#reading.map.mark(path, { offset, keyOffset: context.keyOffset });
    switch (this.#text[offset]) {
      case "{":
        return this.#object(path, context.depth + 1);
      case "[":
        return this.#list(path, context.depth + 1);
      case '"':
        return this.#reading.text(this.#string(), path, offset);
      default:
        return this.#scalar(path);
    }
  }

  #scalar(path: string): Json {
    const offset = this.#at;
    const word = this.#match(WORD);
    if (word !== undefined) return word === "null" ? null : word === "true";
    const number = this.#match(NUMBER);
    if (number !== undefined) return this.#reading.number(Number(number), number, { path, offset });
    throw this.#unexpected("a value");
  }

  #object(path: string, depth: number): Json {
    const entries = new Map<string, Json>();
    const keys = new Set<string>();
    this.#at += 1;
    if (this.#skip("}")) return {};
    for (;;) {
      this.#space();
      const keyOffset = this.#at;
      if (this.#text[keyOffset] !== '"') throw this.#unexpected("a key in double quotes");
      const key = this.#string();
      if (!this.#skip(":")) throw this.#unexpected('":"');
      const inner = childPath(path, key);
      const isKept = this.#reading.key(key, keys, { path: inner, offset: keyOffset });
      keys.add(key);
      const value = this.#value(inner, { depth, keyOffset });
      if (isKept) entries.set(key, value);
      if (this.#skip(",")) continue;
      if (this.#skip("}")) return Object.fromEntries(entries);
      throw this.#unexpected('"," or "}"');
    }
  }

  #list(path: string, depth: number): Json {
    const items: Json[] = [];
    this.#at += 1;
    if (this.#skip("]")) return items;
    for (;;) {
      items.push(this.#value(childPath(path, items.length), { depth }));
      if (this.#skip(",")) continue;
      if (this.#skip("]")) return items;
      throw this.#unexpected('"," or "]"');
    }
  }

  #string(): string {
    const start = this.#at;
    let at = start + 1;
    while (at < this.#text.length && this.#text[at] !== '"') at += this.#text[at] === "\\" ? 2 : 1;
    if (at >= this.#text.length) throw new UnreadableText("json_syntax", "This text has no closing quote.", start);
    this.#at = at + 1;
    try {
      return JSON.parse(this.#text.slice(start, at + 1)) as string;
    } catch {
      const message = "This text holds a line break, a control character or an escape that JSON does not know.";
      throw new UnreadableText("json_syntax", message, start);
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #skip(mark: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#text)?.[0].length ?? 0;
  }

  #unexpected(expected: string): UnreadableText {
    const at = this.#at;
    if (at >= this.#text.length) {
      return new UnreadableText("json_syntax", `The text ends here, where ${expected} is expected.`, at);
    }
    const found = JSON.stringify(String.fromCodePoint(this.#text.codePointAt(at) ?? 0));
    return new UnreadableText("json_syntax", `${found} stands here, where ${expected} is expected.`, at);
  }
}
