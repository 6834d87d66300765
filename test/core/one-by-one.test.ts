import { expect, test } from "vitest";
import { BusyError } from "../../src/core/failures.ts";
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

test("what waits for too long is not done, and what comes behind it still waits for what is under way", async () => {
  const oneByOne = createOneByOne(20);
  const log: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = oneByOne("key", () => promise);
  const late = () => oneByOne("key", async () => void log.push("done"));
  await expect(late()).rejects.toBeInstanceOf(BusyError);
  await expect(late()).rejects.toBeInstanceOf(BusyError);
  expect(log).toEqual([]);
  resolve();
  await first;
  await late();
  expect(log).toEqual(["done"]);
});
