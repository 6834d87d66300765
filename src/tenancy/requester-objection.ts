import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import { Person } from "./entities.ts";
import { isPersonId } from "./jwt-claims.ts";
import { type Permission, permissionsOf } from "./permissions.ts";
import { isRevokedToken } from "./revoked-token.ts";

/** What somebody asked for, and what has waited since. */
export interface WaitingWork {
  readonly tenantId: string;
  /** The token or person behind it; null where nobody is. */
  readonly requesterId: string | null | undefined;
  /** What it takes to ask for it. */
  readonly permission: Permission;
  /** When they asked, where that is known; looked up only where it matters. */
  readonly askedAt: () => Promise<Date | undefined>;
}

/** Why it is not to be carried out: who asked is no longer trusted, or may no longer ask for it. */
export type Objection = "requester_revoked" | "requester_lost_role";

/**
 * Looks again at who asked, as it is carried out; undefined where nothing is to be said against it. Of an API token, whether it was revoked. Of a
 * person, whether their JWTs were since they asked, and whether the roles of the latest one still allow it: what they get back counts. Of whom
 * nothing is known, nothing is said.
 */
export async function objectionTo(em: EntityManager, work: WaitingWork): Promise<Objection | undefined> {
  const { tenantId, requesterId: id, permission } = work;
  if (id == null) return undefined;
  if (!isPersonId(id)) return (await isRevokedToken(em, tenantId, id)) ? "requester_revoked" : undefined;
  const person = await em.findOne(Person, { id, tenantId }, { disableIdentityMap: true });
  if (!person) return undefined;
  if (person.revokedAt != null) {
    const askedAt = await work.askedAt();
    const heardAt = person.revokedAt.getTime() + limits.revocationHeardMs;
    if (askedAt === undefined || askedAt.getTime() <= heardAt) return "requester_revoked";
  }
  return permissionsOf(person.roles).has(permission) ? undefined : "requester_lost_role";
}
