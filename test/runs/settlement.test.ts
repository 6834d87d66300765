import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import type { JournalEntry } from "../../src/runs/journal-entry.ts";
import { Settlement } from "../../src/runs/settlement.ts";

describe("what became of a flush", () => {
  test("is told to every entry in order, whoever breaks while hearing it", async () => {
    const heard: string[] = [];
    const broken: string[] = [];
    const settlement = new Settlement(({ runId }, error) => broken.push(`${runId}: ${error}`));
    const count = limits.settledPerTurnMax * 2 + 1;
    const entryOf = (runId: string): JournalEntry => ({
      runId,
      tenantId: "t",
      events: [],
      settled(result) {
        if (runId === "1") throw new Error("bug");
        heard.push(`${runId} ${result}`);
      },
    });
    settlement.add(
      Array.from({ length: count }, (_, index) => entryOf(String(index))),
      () => "written",
    );
    settlement.tell();
    while (!settlement.isOver()) await new Promise((resolve) => setImmediate(resolve));
    const others = Array.from({ length: count }, (_, index) => String(index)).filter((id) => id !== "1");
    expect(heard).toEqual(others.map((id) => `${id} written`));
    expect(broken).toEqual(["1: Error: bug"]);
  });
});
