import type { Issue } from "../core/failures.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { DocumentReading, UnreadableText } from "./document-reading.ts";
import { readJson } from "./json-source.ts";
import { SourceMap } from "./source-map.ts";
import { readYaml } from "./yaml-source.ts";

/** A playbook's source text, read. */
export interface Source {
  readonly format: "YAML" | "JSON";
  /** Plain JSON; undefined when the text can't be read or is no object. */
  readonly document: JsonObject | undefined;
  readonly map: SourceMap;
  /** What keeps it from being a document, each with its place. */
  readonly issues: readonly Issue[];
  /** What YAML read as another type than its author may have meant. */
  readonly warnings: readonly Issue[];
}

/**
 * Reads a playbook's source: JSON where it is JSON, else YAML 1.2. Never throws: everything that is wrong is in `issues`.
 * @param text At most `playbookSourceBytesMax` as UTF-8.
 */
export function readSource(text: string): Source {
  const flaw = flawOf(text);
  if (flaw) return refused(text, flaw);
  // An editor's byte order mark takes no column: a blank in its place would indent the first key of a YAML text.
  const body = text.startsWith("\ufeff") ? text.slice(1) : text;
  if (!/^\s*[[{]/.test(body)) return readAs("YAML", body);
  const json = readAs("JSON", body);
  if (json.document || json.issues[0]?.code !== "json_syntax") return json;
  // Braces are YAML too: `{id: x}`. What begins as JSON does is told what keeps it from being JSON.
  const yaml = readAs("YAML", body);
  return yaml.issues.length === 0 || !/^\s*(\{\s*["}]|\[)/.test(body) ? yaml : json;
}

function flawOf(text: string): { code: string; message: string; offset: number } | undefined {
  if (Buffer.byteLength(text) > limits.playbookSourceBytesMax) {
    const message = `A playbook's source is at most ${limits.playbookSourceBytesMax} bytes.`;
    return { code: "source_too_large", message, offset: 0 };
  }
  if (text.trim() === "") return { code: "source_empty", message: "The source is empty.", offset: 0 };
  const nul = text.indexOf("\u0000");
  if (nul >= 0) return { code: "text_not_storable", message: "A source holds no NUL characters.", offset: nul };
  if (!text.isWellFormed()) {
    const offset = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.exec(text)?.index ?? 0;
    return {
      code: "text_not_storable",
      message: "Half of a surrogate pair stands here: this is no Unicode text.",
      offset,
    };
  }
  return undefined;
}

function refused(text: string, flaw: { code: string; message: string; offset: number }): Source {
  const { code, message, offset } = flaw;
  const map = new SourceMap(text);
  const issues = [{ path: "$", code, message, ...map.position(offset) }];
  return { format: "YAML", document: undefined, map, issues, warnings: [] };
}

function readAs(format: "YAML" | "JSON", text: string): Source {
  const reading = new DocumentReading(text);
  const value = readValue(format, text, reading);
  if (value !== undefined && !isJsonObject(value)) {
    const message = "A playbook is an object with id, name, version, trigger and steps.";
    reading.problem({ path: "$", code: "wrong_type", message, offset: 0 });
  }
  const document = isJsonObject(value) ? value : undefined;
  return { format, document, map: reading.map, issues: reading.issues, warnings: reading.warnings };
}

function readValue(format: "YAML" | "JSON", text: string, reading: DocumentReading): Json | undefined {
  try {
    return format === "JSON" ? readJson(text, reading) : readYaml(text, reading);
  } catch (error) {
    if (!(error instanceof UnreadableText)) throw error;
    reading.problem({ path: "$", code: error.code, message: error.message, offset: error.offset });
    return undefined;
  }
}
