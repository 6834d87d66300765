import { describe, expect, test } from "vitest";
import { parseReference, uuidRange } from "../../src/actions/reference.ts";

describe("a reference", () => {
  test.each([
    ["block-ip", { action: "block-ip" }],
    ["block-ip@1.2", { action: "block-ip", version: { major: 1, minor: 2 } }],
    ["block-ip@1.2.3", { action: "block-ip", version: { major: 1, minor: 2, patch: 3 } }],
    ["Block an IP@0.0", { action: "Block an IP", version: { major: 0, minor: 0 } }],
    ["me@work", { action: "me@work" }],
    ["me@work@1.0", { action: "me@work", version: { major: 1, minor: 0 } }],
    ["a3f8e1b2@1.0", { action: "a3f8e1b2", version: { major: 1, minor: 0 } }],
    ["name@", { action: "name@" }],
    ["name@latest", { action: "name@latest" }],
  ])("%s", (text, reference) => expect(parseReference(text)).toEqual(reference));

  test.each([
    "block-ip@1",
    "block-ip@v1.2",
    "block-ip@1.2.3.4",
    "block-ip@01.2",
    "block-ip@1.",
    "@1.2",
    "x".repeat(257),
    "",
  ])("is not %j", (text) => expect(parseReference(text)).toMatchObject({ path: "$", code: "invalid_reference" }));
});

describe("a prefix of a UUID", () => {
  test("means the UUIDs that begin with it", () => {
    expect(uuidRange("A3F8E1B2-7c")).toEqual({
      least: "a3f8e1b2-7c00-0000-0000-000000000000",
      greatest: "a3f8e1b2-7cff-ffff-ffff-ffffffffffff",
    });
    expect(uuidRange("a3f8e1b2-")?.least).toBe("a3f8e1b2-0000-0000-0000-000000000000");
  });

  test.each(["a3f8e1b", "a3f8-e1b2", "a3f8e1b27c", "g3f8e1b2", "block-ip", "a3f8e1b2--7c44"])("is not %j", (text) =>
    expect(uuidRange(text)).toBeUndefined(),
  );
});
