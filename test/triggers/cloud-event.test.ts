import { describe, expect, test } from "vitest";
import { ValidationFailure } from "../../src/core/failures.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { type DecodedEvent, decodeBinary, decodeStructured, isJsonType } from "../../src/triggers/cloud-event.ts";
import { acceptEvent } from "../../src/triggers/incoming-event.ts";

const data = { finding: { id: "f-1" } };
const whole = { specversion: "1.0", id: "1", source: "/scanner", type: "finding.new", data };
const headers = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/scanner", "ce-type": "finding.new" };

const accept = ({ incoming, reading }: DecodedEvent) => acceptEvent(incoming, reading);
const structured = (fields: Record<string, unknown>) => accept(decodeStructured({ ...whole, ...fields } as JsonObject));
const binary = (fields: Record<string, unknown>, body: Json = data) =>
  accept(decodeBinary({ ...headers, ...fields }, body));

/** The places and codes of what is wrong. */
function problemsOf(decode: () => unknown): string[] {
  try {
    decode();
  } catch (error) {
    if (error instanceof ValidationFailure) return error.issues.map(({ path, code }) => `${path} ${code}`);
    throw error;
  }
  return [];
}

describe("a CloudEvent in structured mode", () => {
  test("is an event whose key is its source and id", () => {
    const at = "2026-01-31T09:30:00.5+01:00";
    expect(structured({ time: at, subject: "x", dataschema: "https://a.example", traceparent: "00-1", n: 5 })).toEqual({
      type: "finding.new",
      key: "/scanner 1",
      data,
      at: new Date(at),
    });
  });

  test.each([
    ["finding.new", "finding.new"],
    ["com.example.finding.new", "finding.new"],
    ["com.example.v2.scan.failed", "scan.failed"],
  ])("of the type %s tells of %s", (type, expected) => {
    expect(structured({ type }).type).toBe(expected);
  });

  test.each(["Finding.new", "com.example.newfinding.new", "finding.new.v1", "com.example.finding.new "])(
    "of the type %j is none of ours",
    (type) => {
      expect(problemsOf(() => structured({ type }))).toEqual(["$.type unknown_event"]);
    },
  );

  test("of a type of ours that nobody may send says why", () => {
    expect(() => structured({ type: "com.example.action.completed" })).toThrow("the run whose action has ended");
    expect(problemsOf(() => structured({ type: "x.schedule" }))).toEqual(["$.type not_emitted"]);
  });

  test("of a misspelt type is told the nearest, whatever stands before it", () => {
    expect(() => structured({ type: "com.example.findng.new" })).toThrow("Did you mean finding.new?");
  });

  test("may leave out what it may say, also as null", () => {
    expect(structured({ time: null, datacontenttype: null, data_base64: null }).at).toBeUndefined();
  });

  test.each(["application/json", "application/json; charset=utf-8", "application/vnd.scanner+json", "text/json"])(
    "takes data of the type %s",
    (datacontenttype) => {
      expect(structured({ datacontenttype }).data).toEqual(data);
    },
  );

  test("takes JSON in base64", () => {
    const encoded = Buffer.from(JSON.stringify({ finding: { title: "Ä" } })).toString("base64");
    expect(structured({ data: undefined, data_base64: encoded }).data).toEqual({ finding: { title: "Ä" } });
  });

  test.each([
    [{ specversion: "0.3" }, "$.specversion unsupported_version"],
    [{ specversion: 1 }, "$.specversion invalid_attribute"],
    [{ id: "" }, "$.id invalid_attribute"],
    [{ id: null }, "$.id required"],
    [{ id: "a\nb" }, "$.id invalid_attribute"],
    [{ id: "a\ud800" }, "$.id invalid_attribute"],
    [{ source: "not a reference" }, "$.source invalid_attribute"],
    [{ type: undefined }, "$.type required"],
    [{ type: 5 }, "$.type invalid_attribute"],
    [{ time: "yesterday" }, "$.time invalid_instant"],
    [{ time: "2026-01-31T09:30:00" }, "$.time invalid_instant"],
    [{ time: "1969-12-31T23:59:59Z" }, "$.time out_of_range"],
    [{ datacontenttype: "application/xml" }, "$.datacontenttype unsupported_content_type"],
    [{ data: undefined }, "$.data required"],
    [{ data: null }, "$.data wrong_type"],
    [{ data: '{"finding":{}}' }, "$.data wrong_type"],
    [{ data: [data] }, "$.data wrong_type"],
    [{ data: undefined, data_base64: "no base64" }, "$.data_base64 invalid_data"],
    [{ data: undefined, data_base64: 5 }, "$.data_base64 invalid_data"],
    [{ data: undefined, data_base64: Buffer.from("<xml/>").toString("base64") }, "$.data_base64 invalid_data"],
    [
      { data: undefined, data_base64: Buffer.from([0x22, 0xff, 0x22]).toString("base64") },
      "$.data_base64 invalid_data",
    ],
    [{ data_base64: Buffer.from("{}").toString("base64") }, "$.data_base64 not_allowed"],
    [{ id: "x".repeat(limits.eventKeyLengthMax - "/scanner".length) }, "$.id too_long"],
  ])("with %j is refused: %s", (fields, problem) => {
    expect(problemsOf(() => structured(fields))).toEqual([problem]);
  });

  test("tells everything that is wrong at once", () => {
    const wrong = { specversion: undefined, id: undefined, source: "", type: "x", time: "x", data: undefined };
    expect(problemsOf(() => structured(wrong))).toEqual([
      "$.source invalid_attribute",
      "$.specversion required",
      "$.id required",
      "$.time invalid_instant",
      "$.type unknown_event",
      "$.data required",
    ]);
  });

  test("has a key that no plain key can be, however source and id are cut", () => {
    const keys = [
      structured({ source: "/a", id: "b c" }).key,
      structured({ source: "/a", id: "b%20c" }).key,
      structured({ source: "/ab", id: " c" }).key,
    ];
    expect(new Set(keys).size).toBe(3);
    for (const key of keys) {
      expect(problemsOf(() => acceptEvent({ type: "finding.new", key, data }))).toEqual(["$.key invalid_key"]);
    }
  });
});

describe("a CloudEvent in binary mode", () => {
  test("is an event with the body as its data", () => {
    expect(binary({ "ce-time": "2026-01-31T09:30:00Z", "ce-subject": "x" })).toEqual({
      type: "finding.new",
      key: "/scanner 1",
      data,
      at: new Date("2026-01-31T09:30:00Z"),
    });
  });

  test.each([
    ["Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"],
    ["%41%4a%4A", "AJJ"],
    ["100%25", "100%"],
    ["%2541", "%41"],
    ['"two words"', "two words"],
    ['"a \\"quoted\\" word"', 'a "quoted" word'],
    ['half"quoted', 'half"quoted'],
  ])("reads the header %s as %s", (header, id) => {
    expect(binary({ "ce-id": header }).key).toBe(`/scanner ${id}`);
  });

  test.each(["%C0%A0", "%ED%A0%80", "%", "%zz", "100%", "Euro \u20ac", "caf\u00e9"])(
    "refuses the header %s",
    (header) => {
      expect(problemsOf(() => binary({ "ce-id": header }))).toEqual(["ce-id invalid_header"]);
    },
  );

  test.each([
    [{ "ce-specversion": "2.0" }, "ce-specversion unsupported_version"],
    [{ "ce-source": undefined }, "ce-source required"],
    [{ "ce-id": "a%0Ab" }, "ce-id invalid_attribute"],
    [{ "ce-type": "scan.new" }, "ce-type unknown_event"],
    [{ "ce-time": "x" }, "ce-time invalid_instant"],
    [{ "ce-datacontenttype": "application/json" }, "ce-datacontenttype not_allowed"],
  ])("with %j is refused: %s", (fields, problem) => {
    expect(problemsOf(() => binary(fields))).toEqual([problem]);
  });

  test("needs an object as its data", () => {
    expect(problemsOf(() => binary({}, "text"))).toEqual(["$ wrong_type"]);
  });
});

test.each([
  ["application/json", true],
  ["application/json ; charset=utf-8", true],
  ["APPLICATION/JSON", true],
  ["application/a.b+json;x=y", true],
  ["application/json5", false],
  ["application/jsonp", false],
  ["json", false],
  ["text/plain; x=/json", false],
  ["", false],
])("the media type %j is JSON: %s", (mediaType, expected) => {
  expect(isJsonType(mediaType)).toBe(expected);
});
