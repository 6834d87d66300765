import { describe, expect, test } from "vitest";
import { parseInstant } from "../../src/core/instant.ts";

describe("an instant", () => {
  test.each([
    ["2026-01-31T09:30:00Z", "2026-01-31T09:30:00.000Z"],
    ["2028-02-29t23:59:59.123456789z", "2028-02-29T23:59:59.123Z"],
    ["2026-01-01T00:30:00+05:45", "2025-12-31T18:45:00.000Z"],
    ["2025-12-31T23:30:00-11:00", "2026-01-01T10:30:00.000Z"],
  ])("is read from %s", (text, instant) => {
    expect(parseInstant(text)?.toISOString()).toBe(instant);
  });

  test.each([
    ...["2026-02-29T00:00:00Z", "2026-02-30T00:00:00+02:00", "2026-04-31T12:00:00Z"],
    ...["2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T23:59:60Z", "2026-01-01T00:00:00+24:00"],
    ...["2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "now", ""],
  ])("is not read from %j, which is none", (text) => {
    expect(parseInstant(text)).toBeUndefined();
  });
});
