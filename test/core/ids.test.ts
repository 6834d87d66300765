import { describe, expect, test } from "vitest";
import { isUuid, newId } from "../../src/core/ids.ts";

describe("a new id", () => {
  test("is a UUID of version 7 that tells when it was made", () => {
    const before = Date.now();
    const ids = Array.from({ length: 1_000 }, newId);
    const after = Date.now();
    for (const id of ids) {
      expect(isUuid(id)).toBe(true);
      expect(id).toMatch(/^.{14}7.{4}[89ab]/);
      const at = Number.parseInt(id.replace("-", "").slice(0, 12), 16);
      expect(at).toBeGreaterThanOrEqual(before);
      expect(at).toBeLessThanOrEqual(after);
    }
    expect(new Set(ids).size).toBe(ids.length);
  });
});
