import { expect, test } from "vitest";
import { createOneByOne } from "../../src/core/one-by-one.ts";

test("what has a key waits for what came before it, whatever came of that, and for nothing else", async () => {
  const oneByOne = createOneByOne();
  const log: string[] = [];
  const { promise, reject } = Promise.withResolvers<never>();
  const note = (text: string) => async () => void log.push(text);
  const first = oneByOne("key", () => promise);
  const later = [oneByOne("key", note("second")), oneByOne("key", note("third"))];
  await oneByOne("other", note("other"));
  expect(log).toEqual(["other"]);
  reject(new Error("failed"));
  await expect(first).rejects.toThrow("failed");
  await Promise.all(later);
  await oneByOne("key", note("fourth"));
  expect(log).toEqual(["other", "second", "third", "fourth"]);
});
