import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { limitsPage } from "../../scripts/print-limits.ts";
import { limits } from "../../src/core/limits.ts";

describe("docs/limits.md", () => {
  test("is what npm run limits prints", () => {
    expect(readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8")).toBe(limitsPage());
  });

  test("names every limit once", () => {
    const named = [...limitsPage().matchAll(/`(\w+)`(?=<br>| \|)/g)].map(([, name]) => name);
    expect(named.toSorted()).toEqual(Object.keys(limits).toSorted());
  });
});
