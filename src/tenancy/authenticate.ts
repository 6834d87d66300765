import type { EntityManager } from "@mikro-orm/postgresql";
import type { Clock } from "../core/clock.ts";
import { createExpiringCache } from "../core/expiring-cache.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { bearerToken, hashToken } from "./api-token.ts";
import { ApiToken, Tenant } from "./entities.ts";
import type { Actor } from "./operation-context.ts";
import { type Permission, permissionsIn } from "./permissions.ts";

/** Who holds a valid token, and what that gives. */
export interface Caller {
  readonly tenantId: string;
  readonly actor: Actor;
  readonly roles: readonly string[];
  readonly permissions: ReadonlySet<Permission>;
  readonly tokenId: string;
  /** Undefined for a token that does not expire. */
  readonly expiresAt: Date | undefined;
}

export interface Authenticator {
  /**
   * The caller behind an `Authorization` header. A missing, malformed, unknown, expired or revoked token all answer undefined.
   * A valid one is believed for `limits.tokenBelievedMs`, so that a busy client costs no statement each time.
   */
  authenticate(authorization: string | undefined): Promise<Caller | undefined>;
  /** Stops believing in the token of that hash at once: it was revoked in this process. */
  forget(hash: string): void;
  /** Resolves when what it writes by the way (`lastUsedAt`) is written; before the database is closed. */
  settled(): Promise<void>;
}

interface AuthenticatorOptions {
  /** Forked for each statement. */
  readonly em: EntityManager;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps an unknown token out of the cache: a flood of guesses must not push out the valid ones. */
class UnknownToken extends Error {}

export function createAuthenticator({ em, clock, log }: AuthenticatorOptions): Authenticator {
  const callers = createExpiringCache({
    load: (hash) => loadCaller(em.fork(), hash),
    ttlMs: limits.tokenBelievedMs,
    entriesMax: limits.tokensBelievedMax,
  });
  const usage = createUsage({ em, clock, log });

  return {
    async authenticate(authorization) {
      const token = bearerToken(authorization);
      if (token === undefined) return undefined;
      try {
        const caller = await callers.get(hashToken(token));
        if (caller.expiresAt && caller.expiresAt <= clock.now()) return undefined;
        usage.note(caller.tokenId);
        return caller;
      } catch (error) {
        if (error instanceof UnknownToken) return undefined;
        throw error;
      }
    },
    forget: callers.forget,
    settled: usage.settled,
  };
}

async function loadCaller(em: EntityManager, hash: string): Promise<Caller> {
  const token = await em.findOne(ApiToken, { hash, revokedAt: null });
  if (!token) throw new UnknownToken();
  const tenant = await em.findOneOrFail(Tenant, { id: token.tenantId });
  return {
    tenantId: token.tenantId,
    actor: { kind: "TOKEN", id: token.id, name: token.name },
    roles: token.roles,
    permissions: permissionsIn(tenant.name, token.roles),
    tokenId: token.id,
    expiresAt: token.expiresAt ?? undefined,
  };
}

/** Writes `lastUsedAt` at most once in `limits.lastUsedStepMs` for each token, and lets nobody wait for it. */
function createUsage({ em, clock, log }: AuthenticatorOptions) {
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
