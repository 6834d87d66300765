import { Composer, type Document, isAlias, isMap, isScalar, isSeq, Lexer, type Node, Parser, type Scalar } from "yaml";
import type { Json } from "../core/json.ts";
import { childPath, shown } from "../core/json-path.ts";
import { limits } from "../core/limits.ts";
import { type DocumentReading, tooDeep, tooLarge, UnreadableText } from "./document-reading.ts";

/** Tags of the core schema; any other asks for a type that JSON has not. */
const CORE_TAG = /^(!|tag:yaml\.org,2002:(str|int|float|bool|null|map|seq))$/;
/** What YAML 1.1 took for a boolean, and YAML 1.2 takes for text. */
const OLD_BOOLEAN = /^(yes|no|on|off)$/i;
/** Entries of the parser's stack beyond those of the document's own nesting: stream, document, key, value. */
const STACK_SLACK = 8;

type Token = ReturnType<Parser["next"]> extends Generator<infer T, void> ? T : never;

/**
 * Reads one YAML 1.2 document in the core schema into plain JSON: no merge keys, no other tags, unique keys, aliases copied
 * within the bound on values. Problems go into the reading, all of them.
 * @returns undefined when it is no YAML.
 * @throws UnreadableText past the bounds of `limits`.
 */
export function readYaml(text: string, reading: DocumentReading): Json | undefined {
  const document = compose(text, reading);
  if (!document) return undefined;
  if (document.errors.length > 0) {
    for (const { message, pos } of document.errors) {
      reading.problem({ path: "$", code: "yaml_syntax", message: sentence(message), offset: pos[0] });
    }
    return undefined;
  }
  const { version } = document.directives?.yaml ?? {};
  if (version !== undefined && version !== "1.2") {
    throw new UnreadableText("yaml_version", `A playbook is YAML 1.2; this document says %YAML ${version}.`, 0);
  }
  return new YamlReader(reading).value(document.contents as Node | null, { path: "$", depth: 0, offset: 0 });
}

/** The library's message, in one line of readable length. */
function sentence(message: string): string {
  const [line = ""] = message.split("\n", 1);
  return line.length > 160 ? `${line.slice(0, 160)}…` : line.replace(/\.?$/, ".");
}

/** The first document of the text; a second one is a problem. */
function compose(text: string, reading: DocumentReading): Document.Parsed | undefined {
  const composer = new Composer({
    version: "1.2",
    schema: "core",
    merge: false,
    resolveKnownTags: false,
    // Ours to check: the library compares each key with all before it.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "silent",
  });
  const tokens = tokenise(text);
  const starts = tokens.filter((token) => token.type === "document");
  const [, second] = starts;
  if (second) {
    const message = "A source holds one document; a second one begins here.";
    reading.problem({ path: "$", code: "many_documents", message, offset: second.offset });
  }
  const cut = second ? tokens.slice(0, tokens.indexOf(second)) : tokens;
  for (const document of composer.compose(cut, true, text.length)) return document as Document.Parsed;
  return undefined;
}

/** The library's own loop, stopped where the nesting is too deep: what builds the document recurses, and would overflow. */
function tokenise(text: string): Token[] {
  const parser = new Parser();
  const tokens: Token[] = [];
  let lexemeCount = 0;
  for (const lexeme of new Lexer().lex(text)) {
    lexemeCount += 1;
    if (lexemeCount > limits.documentLexemesMax) throw tooLarge(parser.offset);
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > limits.documentDepthMax + STACK_SLACK) throw tooDeep(parser.offset);
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}

interface Place {
  readonly path: string;
  readonly depth: number;
  /** Where an empty value stands. */
  readonly offset: number;
  readonly keyOffset?: number | undefined;
}

class YamlReader {
  readonly #reading: DocumentReading;
  readonly #anchors = new Map<string, Node>();
  /** What is being copied for an alias: an alias of one of these would never end. */
  readonly #open = new Set<Node>();
  #copyDepth = 0;

  constructor(reading: DocumentReading) {
    this.#reading = reading;
  }

  value(node: Node | null, place: Place): Json {
    const offset = node?.range?.[0] ?? place.offset;
    this.#reading.enter({ ...place, offset });
    const plain = isScalar(node) && node.type === "PLAIN" && typeof node.value !== "string" ? node.source : undefined;
    this.#reading.map.mark(place.path, { offset, keyOffset: place.keyOffset, plain });
    if (!node) return null;
    if (isAlias(node)) return this.#alias(node.source, { ...place, offset });
    this.#checkTag(node, place.path, offset);
    if (isScalar(node)) {
      this.#anchor(node);
      return this.#scalar(node, place.path, offset);
    }
    this.#anchor(node);
    this.#open.add(node);
    const value = isMap(node) ? this.#map(node, place) : isSeq(node) ? this.#list(node, place) : null;
    this.#open.delete(node);
    return value;
  }

  #anchor(node: Node & { anchor?: string }): void {
    if (node.anchor && this.#copyDepth === 0) this.#anchors.set(node.anchor, node);
  }

  #alias(name: string, place: Place): Json {
    const target = this.#anchors.get(name);
    const refuse = (message: string): null => {
      this.#reading.problem({ path: place.path, code: "alias_refused", message, offset: place.offset });
      return null;
    };
    if (!target) return refuse(`There is no anchor &${name} before this alias.`);
    if (this.#open.has(target)) return refuse(`*${name} stands inside of what it names, so it would never end.`);
    this.#copyDepth += 1;
    const value = this.value(target, place);
    this.#copyDepth -= 1;
    return value;
  }

  #map(node: Node & { items: unknown[] }, place: Place): Json {
    const entries = new Map<string, Json>();
    const keys = new Set<string>();
    for (const { key: keyNode, value: valueNode } of node.items as { key: Node | null; value: Node | null }[]) {
      const keyOffset = keyNode?.range?.[0] ?? node.range?.[0] ?? place.offset;
      const key = this.#key(keyNode, place.path, keyOffset);
      if (key === undefined) continue;
      const path = childPath(place.path, key);
      const isKept = this.#reading.key(key, keys, { path, offset: keyOffset });
      keys.add(key);
      const value = this.value(valueNode, { path, depth: place.depth + 1, offset: keyOffset, keyOffset });
      if (isKept) entries.set(key, value);
    }
    return Object.fromEntries(entries);
  }

  #list(node: Node & { items: unknown[] }, place: Place): Json {
    return node.items.map((item, index) =>
      this.value(item as Node | null, {
        path: childPath(place.path, index),
        depth: place.depth + 1,
        offset: node.range?.[0] ?? place.offset,
      }),
    );
  }

  /** The key as text, as JSON has it: `1: x` has the key "1". */
  #key(node: Node | null, path: string, offset: number): string | undefined {
    if (!isScalar(node) || node.source === undefined || node.source === "") {
      const message = "A key is a text; this one is empty, a list, an object or an alias.";
      this.#reading.problem({ path, code: "key_not_text", message, offset });
      return undefined;
    }
    this.#checkTag(node, path, offset);
    this.#anchor(node);
    if (node.type === "PLAIN" && node.source === "<<") {
      const message =
        "Merge keys (<<) are no part of YAML 1.2; write the fields out, or name them by an alias one by one.";
      this.#reading.problem({ path: childPath(path, "<<"), code: "merge_key", message, offset });
      return undefined;
    }
    return typeof node.value === "string" ? node.value : node.source;
  }

  #scalar(node: Scalar, path: string, offset: number): Json {
    const { value, source: written = "" } = node;
    if (typeof value === "string") {
      if (node.type === "PLAIN" && OLD_BOOLEAN.test(value)) {
        const message = `${value} is text in YAML 1.2; write true or false for a yes or no, or put it in quotes.`;
        this.#reading.warning({ path, code: "yaml_typing", message, offset });
      }
      return this.#reading.text(value, path, offset);
    }
    if (typeof value === "number") {
      if (Number.isFinite(value) && String(value) !== written) {
        const message = `${written} without quotes is the number ${value}; put it in quotes if text is meant.`;
        this.#reading.warning({ path, code: "yaml_typing", message, offset });
      }
      return this.#reading.number(value, written, { path, offset });
    }
    return typeof value === "boolean" ? value : null;
  }

  #checkTag(node: Node, path: string, offset: number): void {
    if (!node.tag || CORE_TAG.test(node.tag)) return;
    const message = `The tag ${shown(node.tag)} is not known; a playbook holds texts, numbers, booleans, lists and objects.`;
    this.#reading.problem({ path, code: "tag_refused", message, offset });
  }
}
