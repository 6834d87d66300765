import type { EntityManager } from "@mikro-orm/postgresql";
import { vi } from "vitest";

/** Does the work, and counts how often it forks the EntityManager: once for each statement, where each has a fork of its own. */
export async function countingForks<Result>(
  em: EntityManager,
  work: () => Promise<Result>,
): Promise<{ readonly forkCount: number; readonly result: Result }> {
  const fork = vi.spyOn(em, "fork");
  try {
    const result = await work();
    return { forkCount: fork.mock.calls.length, result };
  } finally {
    fork.mockRestore();
  }
}
