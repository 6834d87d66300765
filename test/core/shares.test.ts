import { expect, test } from "vitest";
import { Shares } from "../../src/core/shares.ts";

test("a key that holds all of its share waits for itself, in order, and nobody else does", async () => {
  const shares = new Shares({ max: 2, waitMs: 60_000 });
  const log: string[] = [];
  const take = (key: string, name: string) => shares.take(key).then(() => void log.push(name));
  await take("busy", "first");
  await take("busy", "second");
  const waiting = [take("busy", "third"), take("busy", "fourth")];
  await take("other", "other");
  expect(log).toEqual(["first", "second", "other"]);
  shares.give("busy");
  await waiting[0];
  expect(log.at(-1)).toBe("third");
  shares.give("busy");
  await waiting[1];
  expect(log.at(-1)).toBe("fourth");
});

test("who waits too long for a place is refused, and takes none", async () => {
  const shares = new Shares({ max: 1, waitMs: 20 });
  await shares.take("busy");
  const late = await Promise.allSettled(Array.from({ length: 5 }, () => shares.take("busy")));
  expect(late.map(({ status }) => status)).toEqual(late.map(() => "rejected"));
  shares.give("busy");
  for (let turn = 0; turn < 5; turn += 1) {
    await shares.take("busy");
    shares.give("busy");
  }
});
