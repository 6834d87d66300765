import { BadInputError, ForbiddenError, type Issue } from "../core/failures.ts";
import { globalId } from "../core/global-id.ts";
import { parseInstant } from "../core/instant.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { childPath } from "../core/json-path.ts";
import { nameHint } from "../core/nearest-name.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { type DecodedEvent, decodeBinary, decodeStructured, isBinary, isJsonType } from "./cloud-event.ts";
import { type EmitPorts, emitEvent } from "./emit-event.ts";
import { plainPlaces } from "./incoming-event.ts";
import { readJson } from "./json-body.ts";

interface Post {
  readonly authorization: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface EventPostPorts extends EmitPorts {
  /** Whose operation this is. @throws UnauthenticatedError */
  readonly operation: (authorization: string | undefined) => Promise<OperationContext>;
}

/**
 * `POST /events` for those who do not speak GraphQL: an event as `{type, key, data, at}`, or as a CloudEvent in structured or binary mode.
 * Answers 202 with the event and its runs.
 * @returns A handler that throws what `emitEvent` throws, and BadInputError for a body that is no event.
 */
export function createEventPost(ports: EventPostPorts): (post: Post) => Promise<Answer> {
  return async (post) => {
    const ctx = await ports.operation(post.authorization);
    if (!ctx.permissions.has("event:emit")) throw new ForbiddenError("This token may not emit events.");
    const decoded = decode(post);
    if ("status" in decoded) return decoded;
    const { event, runs } = await emitEvent(ctx, ports, decoded.incoming, decoded.reading);
    return {
      status: 202,
      body: {
        event: {
          id: globalId("TriggerEvent", event.id),
          type: event.type,
          receivedAt: event.createdAt.toISOString(),
        },
        runs: runs.map(({ id, status, failedStepCount, simulatedStepCount }) => {
          return { id: globalId("Run", id), status, failedStepCount, simulatedStepCount };
        }),
      },
    };
  };
}

function decode({ headers, body }: Post): DecodedEvent | Answer {
  const contentType = String(headers["content-type"] ?? "").toLowerCase();
  const [mediaType = ""] = contentType.trim().split(/\s*;/);
  if (mediaType.startsWith("application/cloudevents-batch")) {
    return unsupported("Send CloudEvents one by one; batches are not taken.");
  }
  const isStructured = mediaType.startsWith("application/cloudevents");
  if (isStructured && mediaType !== "application/cloudevents+json") {
    return unsupported("Send a CloudEvent as application/cloudevents+json, or in binary mode with JSON as its data.");
  }
  const isCloudEvent = isStructured || isBinary(headers);
  if (isCloudEvent ? !isJsonType(mediaType) : mediaType !== "application/json") {
    return unsupported(
      "Send JSON: application/json, or a CloudEvent as application/cloudevents+json or in binary mode.",
    );
  }
  const [, charset = "utf-8"] = /;\s*charset\s*=\s*"?([^";\s]*)/.exec(contentType) ?? [];
  if (charset !== "utf-8" && charset !== "us-ascii") {
    return unsupported("Send JSON in UTF-8.");
  }
  const read = readJson(body);
  if ("problem" in read) throw new BadInputError(`The body can't be read. ${read.problem}`);
  if (isCloudEvent && !isStructured) return decodeBinary(headers, read.json);
  if (!isJsonObject(read.json)) throw new BadInputError("The body must be one event, as an object.");
  return isStructured ? decodeStructured(read.json) : decodePlain(read.json);
}

function unsupported(message: string): Answer {
  return { status: 415, body: { code: "unsupported_media_type", message } };
}

const fields = ["type", "key", "data", "at"] as const;

/** `{type, key?, data, at?}`, as the GraphQL input has it. */
function decodePlain(body: JsonObject): DecodedEvent {
  const found: Issue[] = [];
  for (const name of Object.keys(body)) {
    if (fields.some((field) => field === name)) continue;
    const message = `An event has ${fields.join(", ")}.${nameHint(name, fields)}`;
    found.push({ path: childPath("$", name), code: "unknown_field", message });
  }
  const text = (name: "type" | "key" | "at") => {
    const value = body[name];
    if (value == null || typeof value === "string") return value ?? undefined;
    found.push({ path: `$.${name}`, code: "wrong_type", message: "This is a text." });
    return undefined;
  };
  const [type, key, time] = [text("type"), text("key"), text("at")];
  const at = time === undefined ? undefined : parseInstant(time);
  if (time !== undefined && at === undefined) {
    const message = "An instant is an RFC 3339 text with a zone, such as 2026-01-31T09:30:00Z.";
    found.push({ path: "$.at", code: "invalid_instant", message });
  }
  return { incoming: { type, key, data: body["data"], at }, reading: { places: plainPlaces, found } };
}
