import type { EntityManager } from "@mikro-orm/postgresql";
import type { Clock } from "../core/clock.ts";
import { createExpiringCache } from "../core/expiring-cache.ts";
import { isUuid } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Caller } from "./caller.ts";
import { Tenant } from "./entities.ts";
import { JwtRefused } from "./jwt-claims.ts";
import { createKnownPeople } from "./known-people.ts";
import { permissionsIn } from "./permissions.ts";
import type { VerifyJwt } from "./verify-jwt.ts";

interface PeopleOptions {
  /** Forked for each statement. */
  readonly em: EntityManager;
  readonly clock: Clock;
  readonly log: Log;
  readonly verifyJwt: VerifyJwt;
}

/** People who come with a JWT. */
export interface People {
  /**
   * The caller behind a JWT; undefined for one that is not believed, was revoked, or names no tenant of ours. A believed one is believed for
   * `limits.tokenBelievedMs`, at most until it expires.
   * @throws StateFailure `unavailable` where the provider's keys can't be fetched.
   */
  find(jwt: string): Promise<Caller | undefined>;
  /** Each is looked at anew when it is asked about next: for when some were revoked on this node. */
  forgetAll(): void;
}

export function createPeople({ em, clock, log, verifyJwt }: PeopleOptions): People {
  const tenants = createExpiringCache({
    load: (nameOrId) => findTenant(em.fork(), nameOrId),
    ttlMs: limits.tokenBelievedMs,
    entriesMax: limits.namedTenantsMax,
  });
  const known = createKnownPeople({ em, log });
  const callers = createExpiringCache({
    load: async (jwt): Promise<Caller> => {
      const person = await verifyJwt(jwt, clock.now());
      const { id, name, roles, expiresAt, issuedAt } = person;
      const tenant = await tenants.get(person.tenant);
      await known.note(tenant.id, person);
      const permissions = permissionsIn(tenant.name, roles);
      return { tenantId: tenant.id, actor: { kind: "MEMBER", id, name }, roles, permissions, issuedAt, expiresAt };
    },
    ttlMs: limits.tokenBelievedMs,
    entriesMax: limits.peopleBelievedMax,
  });
  const logRefusal = createRefusalLog(log);

  return {
    async find(jwt) {
      try {
        return await callers.get(jwt);
      } catch (error) {
        if (!(error instanceof JwtRefused)) throw error;
        logRefusal(error.reason);
        return undefined;
      }
    },
    forgetAll: callers.clear,
  };
}

/** @throws JwtRefused */
async function findTenant(em: EntityManager, nameOrId: string): Promise<Tenant> {
  const tenant = await em.findOne(Tenant, isUuid(nameOrId) ? { id: nameOrId } : { name: nameOrId });
  if (!tenant) throw new JwtRefused("unknown_tenant");
  return tenant;
}

/** The reasons are a few words of ours, never what stood in a token. */
function createRefusalLog(log: Log): (reason: string) => void {
  const loggedAt = new Map<string, number>();
  return (reason) => {
    const now = performance.now();
    if (now - (loggedAt.get(reason) ?? Number.NEGATIVE_INFINITY) < limits.jwtRefusalLogMs) return;
    loggedAt.set(reason, now);
    log.info({ reason }, "jwt.refused");
  };
}
