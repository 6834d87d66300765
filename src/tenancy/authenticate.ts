import type { EntityManager } from "@mikro-orm/postgresql";
import DataLoader from "dataloader";
import type { Clock } from "../core/clock.ts";
import { createExpiringCache } from "../core/expiring-cache.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { createRecentKeys } from "../core/recent-keys.ts";
import { bearerToken, hashToken } from "./api-token.ts";
import type { Caller } from "./caller.ts";
import type { TenantGate } from "./disabled-tenants.ts";
import { ApiToken, Tenant } from "./entities.ts";
import { createPeople } from "./people.ts";
import { permissionsIn } from "./permissions.ts";
import { createTokenUsage } from "./token-usage.ts";
import { isJwtShaped, type VerifyJwt } from "./verify-jwt.ts";

/** Whom a valid token belongs to, and whether anything may be done for them. */
export interface Identity {
  readonly caller: Caller;
  readonly isTenantDisabled: boolean;
}

export interface Authenticator {
  /** The caller behind an `Authorization` header, for whom something may be done: undefined also where the tenant is disabled. */
  authenticate(authorization: string | undefined): Promise<Caller | undefined>;
  /**
   * Whom a header belongs to. A missing, malformed, unknown, expired or revoked token all answer undefined.
   * A valid one is believed for `limits.tokenBelievedMs`, so that a busy client costs no statement each time. Many that are asked about
   * at once cost a few statements together.
   * @throws StateFailure `unavailable` for a JWT of a provider whose keys can't be fetched.
   */
  identify(authorization: string | undefined): Promise<Identity | undefined>;
  /**
   * Whether this may be a guess, as far as can be said without looking anything up: an API token that was not a valid one in the last
   * `limits.tokenRememberedMs`. A JWT can't be guessed, and is checked without the database.
   */
  mayBeGuess(authorization: string): boolean;
  /** Stops believing in the token of that hash at once: it was revoked in this process. */
  forget(hash: string): void;
  /** The same of every JWT: who was revoked on this node is nobody from now on. */
  forgetPeople(): void;
  /** Resolves when what it writes by the way (`lastUsedAt`) is written; before the database is closed. */
  settled(): Promise<void>;
}

export interface AuthenticatorOptions {
  /** Forked for each statement. */
  readonly em: EntityManager;
  readonly clock: Clock;
  readonly log: Log;
  readonly tenants: Pick<TenantGate, "isDisabled" | "believable">;
  /** Without it API tokens alone are taken. */
  readonly verifyJwt?: VerifyJwt | undefined;
  /** Finds on-premises agents by the hashes of their tokens, by one statement; asked about what is no API token. */
  readonly findAgents?: (em: EntityManager, hashes: readonly string[]) => Promise<ReadonlyMap<string, Caller>>;
}

/** Keeps an unknown token out of the cache: a flood of guesses must not push out the valid ones. */
class UnknownToken extends Error {}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { em, clock, log, tenants, verifyJwt } = options;
  const loads = new DataLoader((hashes: readonly string[]) => loadCallers(options, hashes), {
    cache: false,
    maxBatchSize: limits.tokensLoadedMax,
  });
  const recent = createRecentKeys({ ttlMs: limits.tokenRememberedMs, keysMax: limits.tokensBelievedMax });
  const callers = createExpiringCache({
    load: async (hash) => {
      const caller = await loads.load(hash);
      recent.note(hash);
      return caller;
    },
    ttlMs: limits.tokenBelievedMs,
    entriesMax: limits.tokensBelievedMax,
  });
  const people = verifyJwt && createPeople({ em, clock, log, verifyJwt });
  const usage = createTokenUsage({ em, clock, log });

  const find = async (token: string): Promise<Caller | undefined> => {
    if (people && isJwtShaped(token)) return people.find(token);
    try {
      return await callers.get(hashToken(token));
    } catch (error) {
      if (error instanceof UnknownToken) return undefined;
      throw error;
    }
  };

  const identify = async (authorization: string | undefined): Promise<Identity | undefined> => {
    const token = bearerToken(authorization);
    const caller = token === undefined ? undefined : await find(token);
    if (!caller || (caller.expiresAt && caller.expiresAt <= clock.now())) return undefined;
    await tenants.believable();
    const isTenantDisabled = tenants.isDisabled(caller.tenantId);
    if (caller.tokenId !== undefined && !isTenantDisabled) usage.note(caller.tokenId);
    return { caller, isTenantDisabled };
  };

  return {
    identify,
    async authenticate(authorization) {
      const identity = await identify(authorization);
      return identity?.isTenantDisabled ? undefined : identity?.caller;
    },
    mayBeGuess(authorization) {
      const token = bearerToken(authorization);
      return token === undefined || !((people && isJwtShaped(token)) || recent.has(hashToken(token)));
    },
    forget: callers.forget,
    forgetPeople: () => people?.forgetAll(),
    settled: usage.settled,
  };
}

/** In the order of the hashes; an UnknownToken where none is valid. */
async function loadCallers(
  { em, findAgents = async () => new Map() }: AuthenticatorOptions,
  hashes: readonly string[],
): Promise<(Caller | UnknownToken)[]> {
  const fork = em.fork();
  const tokens = await fork.find(ApiToken, { hash: { $in: [...hashes] }, revokedAt: null });
  const tenantIds = [...new Set(tokens.map(({ tenantId }) => tenantId))];
  const tenants = tenantIds.length > 0 ? await fork.find(Tenant, { id: { $in: tenantIds } }) : [];
  const names = new Map(tenants.map(({ id, name }) => [id, name]));
  const callers = new Map(tokens.map((token) => [token.hash, callerOf(token, names.get(token.tenantId) ?? "")]));
  const others = hashes.filter((hash) => !callers.has(hash));
  const agents: ReadonlyMap<string, Caller> = others.length > 0 ? await findAgents(em.fork(), others) : new Map();
  return hashes.map((hash) => callers.get(hash) ?? agents.get(hash) ?? new UnknownToken());
}

function callerOf(token: ApiToken, tenantName: string): Caller {
  return {
    tenantId: token.tenantId,
    actor: { kind: "TOKEN", id: token.id, name: token.name },
    roles: token.roles,
    permissions: permissionsIn(tenantName, token.roles),
    tokenId: token.id,
    expiresAt: token.expiresAt ?? undefined,
  };
}
