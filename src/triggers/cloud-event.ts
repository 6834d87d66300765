// CloudEvents 1.0.2: the JSON format, and the HTTP binding's structured and binary modes.
// https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents
import type { Issue } from "../core/failures.ts";
import { parseInstant } from "../core/instant.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { shown } from "../core/json-path.ts";
import { triggerEvents } from "../playbooks/document-schema.ts";
import type { IncomingEvent, Reading } from "./incoming-event.ts";
import { readJson } from "./json-body.ts";

/** An event as it was read, with what there is to say about it. */
export interface DecodedEvent {
  readonly incoming: IncomingEvent;
  readonly reading: Reading;
}

/** Structured mode: attributes and data in one object. */
export function decodeStructured(envelope: JsonObject): DecodedEvent {
  const found: Issue[] = [];
  const attributes = new Attributes((name) => `$.${name}`, found);
  for (const name of attributeNames) attributes.put(name, envelope[name]);
  const contentType = attributes.get("datacontenttype");
  if (contentType !== undefined && !isJsonType(contentType)) {
    const message = `${shown(contentType)} can't be read; send JSON.`;
    found.push({ path: "$.datacontenttype", code: "unsupported_content_type", message });
  }
  return decoded(attributes, dataOf(envelope, found), { found, dataPlace: "$.data" });
}

/** Binary mode: attributes in headers, data in the body. `headers` are named in lower case. */
export function decodeBinary(headers: Readonly<Record<string, unknown>>, data: Json): DecodedEvent {
  const found: Issue[] = [];
  const attributes = new Attributes((name) => `ce-${name}`, found);
  for (const name of attributeNames) {
    const header = headers[`ce-${name}`];
    if (typeof header !== "string") continue;
    if (name === "datacontenttype") {
      const message = "In binary mode, Content-Type alone says what the data is.";
      found.push({ path: "ce-datacontenttype", code: "not_allowed", message });
      continue;
    }
    const value = decodeHeader(header);
    if (value !== undefined) attributes.put(name, value);
    else {
      const message = "Write a header in visible ASCII, and everything else as the percent-encoded bytes of UTF-8.";
      found.push({ path: `ce-${name}`, code: "invalid_header", message });
    }
  }
  return decoded(attributes, data, { found, dataPlace: "$" });
}

/** Whether headers are those of a CloudEvent in binary mode: any one that must be there will do, so that the others are asked for. */
export function isBinary(headers: Readonly<Record<string, unknown>>): boolean {
  return requiredNames.some((name) => headers[`ce-${name}`] !== undefined);
}

/** Whether a media type, with or without parameters, is JSON: `application/json`, or any with `+json`. */
export function isJsonType(mediaType: string): boolean {
  return /^[^/\s;]+\/([^/\s;]+\+)?json\s*(;|$)/i.test(mediaType);
}

const requiredNames = ["specversion", "id", "source", "type"] as const;
const attributeNames = [...requiredNames, "time", "datacontenttype"] as const;
type AttributeName = (typeof attributeNames)[number];

/** The attributes that count here; all others, extensions too, are passed over. */
class Attributes {
  readonly place: (name: AttributeName) => string;
  readonly #found: Issue[];
  readonly #values = new Map<AttributeName, string>();

  constructor(place: (name: AttributeName) => string, found: Issue[]) {
    this.place = place;
    this.#found = found;
  }

  /** null is an attribute that is not set. */
  put(name: AttributeName, value: Json | undefined): void {
    if (value == null) return;
    const path = this.place(name);
    if (typeof value !== "string" || value === "" || /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(value)) {
      const message = `${name} is a text that is not empty, without control characters.`;
      this.#found.push({ path, code: "invalid_attribute", message });
    } else this.#values.set(name, value);
  }

  get(name: AttributeName): string | undefined {
    return this.#values.get(name);
  }

  /** @returns undefined where it is missing or wrong, which is among the problems then. */
  require(name: AttributeName): string | undefined {
    const path = this.place(name);
    const value = this.get(name);
    if (value === undefined && !this.#found.some((issue) => issue.path === path)) {
      this.#found.push({ path, code: "required", message: `A CloudEvent has ${name}.` });
    }
    return value;
  }
}

interface Context {
  readonly found: Issue[];
  readonly dataPlace: string;
}

function decoded(attributes: Attributes, data: Json | undefined, { found, dataPlace }: Context): DecodedEvent {
  const { place } = attributes;
  const version = attributes.require("specversion");
  if (version !== undefined && version !== "1.0") {
    const message = `CloudEvents ${shown(version)} can't be read; send 1.0.`;
    found.push({ path: place("specversion"), code: "unsupported_version", message });
  }
  const [id, source, type] = [attributes.require("id"), attributes.require("source"), attributes.require("type")];
  if (source !== undefined && /\s/.test(source)) {
    const message = "A source is a URI reference, which has no blanks.";
    found.push({ path: place("source"), code: "invalid_attribute", message });
  }
  const time = attributes.get("time");
  const at = time === undefined ? undefined : parseInstant(time);
  if (time !== undefined && at === undefined) {
    const message = "A time is an RFC 3339 text with a zone, such as 2026-01-31T09:30:00Z.";
    found.push({ path: place("time"), code: "invalid_instant", message });
  }
  const origin = id === undefined || source === undefined ? undefined : { source, id };
  const places = { type: place("type"), key: place("id"), data: dataPlace, at: place("time") };
  return { incoming: { type: type && eventType(type), origin, data, at }, reading: { places, found } };
}

/** Our name of an event whose type is that, or ends with it behind a reverse-DNS name; any other type as it is. */
function eventType(type: string): string {
  return triggerEvents.find((known) => type === known || type.endsWith(`.${known}`)) ?? type;
}

function dataOf(envelope: JsonObject, found: Issue[]): Json | undefined {
  const { data, data_base64: encoded } = envelope;
  if (encoded == null) return data;
  const path = "$.data_base64";
  const read = typeof encoded === "string" && isBase64(encoded) ? readJson(Buffer.from(encoded, "base64")) : undefined;
  if (data !== undefined) found.push({ path, code: "not_allowed", message: "Send data or data_base64, not both." });
  else if (read && "json" in read) return read.json;
  else found.push({ path, code: "invalid_data", message: read?.problem ?? "This is a text in base64." });
  // What is wrong with it has been told; as data, it is not told as missing besides.
  return {};
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

/**
 * The value of an attribute's header: unquoted, then percent-decoded once; undefined for what is no such value.
 * @see HTTP binding, section 3.1.3.2; RFC 7230, section 3.2.6
 */
function decodeHeader(header: string): string | undefined {
  if (!/^[\t\x20-\x7e]*$/.test(header)) return undefined;
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/.exec(header) ?? [];
  try {
    return decodeURIComponent(quoted === undefined ? header : quoted.replaceAll(/\\(.)/g, "$1"));
  } catch {
    return undefined;
  }
}
