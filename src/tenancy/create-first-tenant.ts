import type { EntityManager } from "@mikro-orm/postgresql";
import type { Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";
import { generateToken, hashToken, isSendableToken } from "./api-token.ts";
import { ApiToken, Tenant } from "./entities.ts";
import { configuredTokenName, replacedTokenName } from "./names.ts";
import { hostTenantName } from "./permissions.ts";

/** Any number, the same on every node: who holds it looks and creates, the others wait and find it done. */
const firstTenantLock = 7_264_021_002;

export interface FirstTenant {
  readonly tenantId: string;
  /** The text of the first admin's token where this call generated it: to be shown once, since it is stored nowhere. */
  readonly generatedToken: string | undefined;
  /**
   * True when the configured token was revoked by somebody. It stays revoked, since otherwise the next restart of any node
   * would bring a leaked token back; another `ADMIN_TOKEN` lets the operator in again.
   */
  readonly isConfiguredTokenRevoked: boolean;
}

interface FirstTenantOptions {
  readonly em: EntityManager;
  readonly clock: Clock;
  /** `ADMIN_TOKEN`: the admin's token instead of a generated one. A changed one replaces the one before. */
  readonly adminToken: string | undefined;
  /**
   * Shows a generated token to the operator. It counts only when this has resolved, and the tenant with it: whatever happens in between, a
   * token that nobody has seen lets nobody in, and the next start makes another.
   */
  readonly show?: ((generatedToken: string) => Promise<void>) | undefined;
}

/**
 * Makes sure that there is the host tenant with an admin. Safe when several nodes start at once: one makes and shows the token.
 * @throws Error (the server can't start) when `ADMIN_TOKEN` can't be sent as a bearer token, or is another tenant's or no admin's.
 */
export async function createFirstTenant({ em, clock, adminToken, show }: FirstTenantOptions): Promise<FirstTenant> {
  if (adminToken !== undefined && !isSendableToken(adminToken)) {
    throw new Error(`ADMIN_TOKEN has 1 to ${limits.tokenLengthMax} visible ASCII characters and no blanks.`);
  }
  return em.fork().transactional(async (transaction) => {
    await transaction.execute("select pg_advisory_xact_lock(?)", [firstTenantLock]);
    const found = await transaction.findOne(Tenant, { name: hostTenantName });
    const tenant = found ?? transaction.create(Tenant, { name: hostTenantName });
    // Before its tokens: they point to it.
    if (!found) await transaction.persist(tenant).flush();
    if (adminToken !== undefined) {
      const isRevoked = await configureToken(transaction, {
        tenantId: tenant.id,
        hash: hashToken(adminToken),
        now: clock.now(),
      });
      return { tenantId: tenant.id, generatedToken: undefined, isConfiguredTokenRevoked: isRevoked };
    }
    if (found) return { tenantId: tenant.id, generatedToken: undefined, isConfiguredTokenRevoked: false };
    const generatedToken = generateToken();
    addAdminToken(transaction, { tenantId: tenant.id, hash: hashToken(generatedToken), name: "first admin" });
    await transaction.flush();
    await show?.(generatedToken);
    return { tenantId: tenant.id, generatedToken, isConfiguredTokenRevoked: false };
  });
}

interface ConfiguredToken {
  readonly tenantId: string;
  readonly hash: string;
  readonly now: Date;
}

/** Makes the configured token the valid one of its kind. Answers whether it stays revoked. */
async function configureToken(em: EntityManager, { tenantId, hash, now }: ConfiguredToken): Promise<boolean> {
  const same = await em.findOne(ApiToken, { hash });
  if (same && (same.tenantId !== tenantId || !same.roles.includes("admin"))) {
    throw new Error("ADMIN_TOKEN is the text of a token that is no admin's of the first tenant; choose another.");
  }
  const isReplaced = same?.name === replacedTokenName;
  const isDead = same != null && (same.revokedAt != null || (same.expiresAt != null && same.expiresAt <= now));
  if (isDead && !isReplaced) return true;

  const others = await em.find(ApiToken, { tenantId, name: configuredTokenName, hash: { $ne: hash } });
  for (const other of others) {
    // One that somebody revoked keeps its name: only what this replaced comes back when the operator sets it again.
    if (other.revokedAt == null) em.assign(other, { name: replacedTokenName, revokedAt: now });
  }
  if (!same) addAdminToken(em, { tenantId, hash, name: configuredTokenName });
  else if (isReplaced) em.assign(same, { name: configuredTokenName, revokedAt: null });
  return false;
}

function addAdminToken(em: EntityManager, token: { tenantId: string; hash: string; name: string }): void {
  em.persist(em.create(ApiToken, { ...token, roles: ["admin"] }));
}
