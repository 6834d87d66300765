import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import { Journals } from "../../src/runs/journals.ts";
import { createTestDatabase } from "../support/database.ts";

describe("the journals of a node", () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.close());

  test("share commits while there is little to write, and the work when there is much", async () => {
    const membership = { identity: () => undefined, hasPeers: () => false };
    const journals = new Journals({ address: database.address, log: silentLog, membership });
    const first = journals.assign();
    expect(journals.assign()).toBe(first);
    const settled: string[] = [];
    const events = [
      { sequence: 1, at: 0, runAttempt: 1, type: "LOG", stepId: "s", attempt: 1, label: "STDERR", body: null },
    ] as const;
    const entry = { runId: "r", tenantId: "t", events, settled: (result: string) => settled.push(result) };
    for (let index = 0; index < limits.journalLoadMax; index += 1) first.append(entry);
    expect(journals.assign()).not.toBe(first);
    await journals.stop();
    // Without an identity nothing may be written, and each is told so once.
    expect(settled).toEqual(Array.from({ length: limits.journalLoadMax }, () => "lost"));
    expect(journals.assign()).toBe(first);
  });
});
