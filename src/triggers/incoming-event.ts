import { type Issue, ValidationFailure } from "../core/failures.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { shown } from "../core/json-path.ts";
import { limits } from "../core/limits.ts";
import { nearestName } from "../core/nearest-name.ts";
import type { triggerEvents } from "../playbooks/document-schema.ts";
import { acceptedObject } from "../runs/start-run.ts";

/** What callers may emit. */
export const emittedTypes = ["finding.new", "finding.status_changed", "scan.completed", "scan.failed"] as const;

/** Why the other events that a playbook can name are not for callers. */
const ownTypes: Readonly<Record<string, string>> = {
  "action.completed": "the run whose action has ended tells it.",
  manual: "executePlaybook starts a playbook by hand.",
  schedule: "a playbook's own schedule makes it.",
} satisfies Record<Exclude<(typeof triggerEvents)[number], (typeof emittedTypes)[number]>, string>;

/** An event as it came in, whichever way; undefined where a part is missing. */
export interface IncomingEvent {
  readonly type: string | undefined;
  readonly key?: string | null | undefined;
  /** What a CloudEvent has instead of a key. The source holds no blank. */
  readonly origin?: { readonly source: string; readonly id: string } | undefined;
  readonly data?: Json | undefined;
  readonly at?: Date | null | undefined;
}

/** What whoever read it has to say about it. */
export interface Reading {
  /** Where each part stood, for messages. */
  readonly places: Readonly<Record<"type" | "key" | "data" | "at", string>>;
  /** Problems that were found already; a part with one is not told as missing besides. */
  readonly found: readonly Issue[];
}

/** Where the parts of `{type, key, data, at}` stand. */
export const plainPlaces: Reading["places"] = { type: "$.type", key: "$.key", data: "$.data", at: "$.at" };

export interface AcceptedEvent {
  readonly type: string;
  readonly key: string | undefined;
  readonly data: JsonObject;
  readonly at: Date | undefined;
}

/** The event within its bounds. @throws ValidationFailure with every problem at once. */
export function acceptEvent(
  event: IncomingEvent,
  { places, found }: Reading = { places: plainPlaces, found: [] },
): AcceptedEvent {
  const { type, at } = event;
  const data = acceptData(event.data, places.data);
  const own = [
    ...typeIssues(type, places.type),
    ...keyIssues(event, places.key),
    ...(Array.isArray(data) ? data : []),
    ...instantIssues(at, places.at),
  ];
  const isTold = ({ path, code }: Issue) => code === "required" && found.some((known) => known.path === path);
  const issues = [...found, ...own.filter((issue) => !isTold(issue))];
  if (issues.length > 0 || type === undefined || Array.isArray(data)) throw new ValidationFailure(issues);
  return { type, key: keyOf(event), data: data as JsonObject, at: at ?? undefined };
}

const listed = emittedTypes.join(", ");

function typeIssues(type: string | undefined, path: string): Issue[] {
  if (type === undefined) return [{ path, code: "required", message: `Say what happened: ${listed}.` }];
  if (emittedTypes.some((known) => known === type)) return [];
  const why = Object.hasOwn(ownTypes, type) ? ownTypes[type] : undefined;
  if (why !== undefined) return [{ path, code: "not_emitted", message: `${type} can't be emitted: ${why}` }];
  // What stands before the last two words is a reverse-DNS name.
  const nearest = nearestName(type.split(".").slice(-2).join("."), emittedTypes);
  const hint = nearest === undefined ? `Known: ${listed}.` : `Did you mean ${nearest}?`;
  return [{ path, code: "unknown_event", message: `${shown(type)} is no event. ${hint}` }];
}

// With a blank, which no key has that was given as such: none can be taken for a CloudEvent's.
function keyOf({ key, origin }: IncomingEvent): string | undefined {
  return origin ? `${origin.source} ${origin.id}` : (key ?? undefined);
}

function keyIssues(event: IncomingEvent, path: string): Issue[] {
  const key = keyOf(event);
  const { eventKeyLengthMax: lengthMax } = limits;
  if (key === undefined) return [];
  if (event.origin) {
    const message = `The source and the id have at most ${lengthMax - 1} characters together.`;
    return key.length <= lengthMax ? [] : [{ path, code: "too_long", message }];
  }
  if (key.length <= lengthMax && /^[\x21-\x7e]+$/.test(key)) return [];
  return [{ path, code: "invalid_key", message: `A key has 1 to ${lengthMax} visible ASCII characters.` }];
}

function acceptData(data: Json | undefined, path: string): JsonObject | Issue[] {
  const message = 'Say what it is about, as an object such as {"finding": {…}}.';
  if (data === undefined) return [{ path, code: "required", message }];
  if (data === null) return [{ path, code: "wrong_type", message }];
  try {
    return acceptedObject(data, path);
  } catch (error) {
    if (error instanceof ValidationFailure) return [...error.issues];
    throw error;
  }
}

function instantIssues(at: Date | null | undefined, path: string): Issue[] {
  if (at == null || (at.getTime() >= 0 && at.getUTCFullYear() <= 9_999)) return [];
  return [{ path, code: "out_of_range", message: "An event happens in the years 1970 to 9999." }];
}
