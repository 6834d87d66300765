import type { Issue } from "../core/failures.ts";
import { isStorableText } from "../core/json.ts";
import { shown } from "../core/json-path.ts";
import { limits } from "../core/limits.ts";
import { SourceMap } from "./source-map.ts";

/** The text can't be read any further: no document comes of it. */
export class UnreadableText extends Error {
  readonly code: string;
  /** UTF-16 units from the beginning of the text. */
  readonly offset: number;
  constructor(code: string, message: string, offset: number) {
    super(message);
    this.code = code;
    this.offset = offset;
  }
}

/** What the readers of YAML and JSON share: where everything stands, what is wrong with it, and the bounds. */
export class DocumentReading {
  readonly map: SourceMap;
  readonly issues: Issue[] = [];
  readonly warnings: Issue[] = [];
  #valueCount = 0;
  #textLength = 0;

  constructor(text: string) {
    this.map = new SourceMap(text);
  }

  problem(found: { path: string; code: string; message: string; offset: number }): void {
    if (this.issues.length < limits.issuesMax) this.issues.push(this.#issue(found));
  }

  warning(found: { path: string; code: string; message: string; offset: number }): void {
    if (this.warnings.length < limits.issuesMax) this.warnings.push(this.#issue(found));
  }

  #issue({ path, code, message, offset }: { path: string; code: string; message: string; offset: number }): Issue {
    return { path, code, message, ...this.map.position(offset) };
  }

  /** Counts one more value. @throws UnreadableText past the bounds. */
  enter({ path, depth, offset }: { path: string; depth: number; offset: number }): void {
    this.#valueCount += 1;
    if (this.#valueCount > limits.documentValuesMax) throw tooLarge(offset);
    if (depth > limits.documentDepthMax) throw tooDeep(offset);
    if (path.length > limits.documentPathLengthMax) {
      const message = `The names that lead here have more than ${limits.documentPathLengthMax} characters together; choose shorter ones.`;
      throw new UnreadableText("path_too_long", message, offset);
    }
  }

  /** A text as the document holds it. Reports what no database and no JSON text can hold. @throws UnreadableText past the bounds. */
  text(value: string, path: string, offset: number): string {
    this.#textLength += value.length;
    if (this.#textLength > limits.documentTextLengthMax) {
      const message = `The texts of a document have at most ${limits.documentTextLengthMax} characters together, those that aliases repeat included.`;
      throw new UnreadableText("document_too_large", message, offset);
    }
    if (!isStorableText(value)) {
      const message = "This text holds a NUL character or half of a surrogate pair, which can't be stored.";
      this.problem({ path, code: "text_not_storable", message, offset });
    }
    return value;
  }

  /** A number as the document holds it. Reports one that a double can't hold as it is written. */
  number(value: number, written: string, place: { path: string; offset: number }): number {
    if (!Number.isFinite(value)) {
      const message = `${shown(written)} is no number that JSON can hold; put it in quotes if text is meant.`;
      this.problem({ ...place, code: "number_out_of_range", message });
    } else if (
      Number.isInteger(value) &&
      !Number.isSafeInteger(value) &&
      !/e/i.test(written.replace(/^[-+]?0x/i, ""))
    ) {
      const message = `${shown(written)} is beyond 2^53 - 1 and would lose digits; put it in quotes.`;
      this.problem({ ...place, code: "number_not_exact", message });
    }
    return value === 0 ? 0 : value;
  }

  /** Whether the key may be used in an object with these keys; reports it when not. */
  key(key: string, known: ReadonlySet<string>, place: { path: string; offset: number }): boolean {
    if (key === "__proto__") {
      this.problem({ ...place, code: "key_refused", message: "A key can't be __proto__." });
      return false;
    }
    if (known.has(key)) {
      const message = `${shown(key)} stands here twice; keep one of them.`;
      this.problem({ ...place, code: "duplicate_key", message });
      return false;
    }
    this.text(key, place.path, place.offset);
    return true;
  }
}

export function tooDeep(offset: number): UnreadableText {
  return new UnreadableText(
    "document_too_deep",
    `A document is nested at most ${limits.documentDepthMax} deep.`,
    offset,
  );
}

export function tooLarge(offset: number): UnreadableText {
  const message = `A document holds at most ${limits.documentValuesMax} values, those that aliases repeat included.`;
  return new UnreadableText("document_too_large", message, offset);
}
