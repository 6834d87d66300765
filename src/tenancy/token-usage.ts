import type { EntityManager } from "@mikro-orm/postgresql";
import type { Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { ApiToken } from "./entities.ts";

interface TokenUsageOptions {
  /** Forked for each statement. */
  readonly em: EntityManager;
  readonly clock: Clock;
  readonly log: Log;
}

/** Writes `lastUsedAt` at most once in `limits.lastUsedStepMs` for each token, and lets nobody wait for it. */
export function createTokenUsage({ em, clock, log }: TokenUsageOptions) {
  const notedAt = new Map<string, number>();
  const writing = new Set<Promise<void>>();

  const write = async (tokenId: string): Promise<void> => {
    try {
      await em.fork().nativeUpdate(ApiToken, { id: tokenId }, { lastUsedAt: clock.now() });
    } catch {
      // Only a hint for people: a failure of it refuses nobody.
      log.warn({ tokenId }, "token.usage_not_written");
    }
  };

  return {
    note(tokenId: string): void {
      const noted = notedAt.get(tokenId);
      const now = clock.now().getTime();
      if (noted !== undefined && Math.abs(now - noted) < limits.lastUsedStepMs) return;
      // The oldest note goes first: a Map keeps the order of insertion.
      notedAt.delete(tokenId);
      if (notedAt.size >= limits.tokensBelievedMax) notedAt.delete(notedAt.keys().next().value as string);
      notedAt.set(tokenId, now);
      const written: Promise<void> = write(tokenId).finally(() => writing.delete(written));
      writing.add(written);
    },
    async settled(): Promise<void> {
      await Promise.all(writing);
    },
  };
}
