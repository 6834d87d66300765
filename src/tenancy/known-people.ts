import type { EntityManager } from "@mikro-orm/postgresql";
import DataLoader from "dataloader";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { Person } from "./entities.ts";
import { JwtRefused } from "./jwt-claims.ts";
import type { VerifiedPerson } from "./verify-jwt.ts";

interface KnownPeopleOptions {
  /** Forked for each statement. */
  readonly em: EntityManager;
  readonly log: Log;
}

type Told = Pick<VerifiedPerson, "id" | "roles" | "issuedAt" | "rankedAt">;

/** What is kept of the people who come with JWTs. */
export interface KnownPeople {
  /**
   * Looks whether the JWT was revoked, and keeps its roles where it is the latest of its person: one read for all who are asked about at once,
   * and one write for each new JWT. Where it can't be written, nobody is refused, and the next look tries again.
   * @throws JwtRefused `revoked`
   */
  note(tenantId: string, jwt: Told): Promise<void>;
}

export function createKnownPeople({ em, log }: KnownPeopleOptions): KnownPeople {
  const loads = new DataLoader((keys: readonly string[]) => load(em.fork(), keys), {
    cache: false,
    maxBatchSize: limits.tokensLoadedMax,
  });
  return {
    async note(tenantId, jwt) {
      const known = await loads.load(keyOf({ id: jwt.id, tenantId }));
      if (known && isRevokedJwt(known, jwt.issuedAt)) throw new JwtRefused("revoked");
      if (known && !tellsMore(known, jwt)) return;
      try {
        await keep(em.fork(), tenantId, jwt);
      } catch (error) {
        log.warn({ personId: jwt.id, message: (error as Error).message }, "person.not_written");
      }
    },
  };
}

/** Whether a JWT of this person is from before they were revoked. One that does not say when it was issued can't show that it is not. */
export function isRevokedJwt({ revokedBefore }: Pick<Person, "revokedBefore">, issuedAt: Date | undefined): boolean {
  return revokedBefore != null && (issuedAt === undefined || issuedAt <= revokedBefore);
}

function keyOf({ id, tenantId }: Pick<Person, "id" | "tenantId">): string {
  return `${id} ${tenantId}`;
}

async function load(em: EntityManager, keys: readonly string[]): Promise<(Person | undefined)[]> {
  const ids = [...new Set(keys.map((key) => key.split(" ")[0] as string))];
  const tenantIds = [...new Set(keys.map((key) => key.split(" ")[1] as string))];
  const found = await em.find(Person, { id: { $in: ids }, tenantId: { $in: tenantIds } });
  const byKey = new Map(found.map((person) => [keyOf(person), person]));
  return keys.map((key) => byKey.get(key));
}

/** Of two that were issued at the same instant nobody knows which is the later one: then what both give counts. */
function tellsMore({ issuedAt, roles }: Person, jwt: Told): boolean {
  if (issuedAt == null || jwt.rankedAt > issuedAt) return true;
  return jwt.rankedAt.getTime() === issuedAt.getTime() && roles.some((role) => !jwt.roles.includes(role));
}

async function keep(em: EntityManager, tenantId: string, { id, roles, rankedAt }: Told): Promise<void> {
  const values = [id, tenantId, JSON.stringify(roles), rankedAt];
  const [row] = await em.execute<{ is_new: boolean }[]>(keepSql, values);
  if (row?.is_new) await em.execute(forgetSql, [tenantId, tenantId, limits.peoplePerTenantMax]);
}

// Decided here and not by what was read: another node may have written meanwhile, or somebody revoked them.
const keepSql = `
insert into person as known (id, tenant_id, roles, issued_at)
values (?, ?, array(select jsonb_array_elements_text(?::jsonb)), ?)
on conflict (id, tenant_id) do update set
  roles = case when excluded.issued_at = known.issued_at
    then array(select unnest(known.roles) intersect select unnest(excluded.roles)) else excluded.roles end,
  issued_at = excluded.issued_at
where (known.issued_at is null or excluded.issued_at >= known.issued_at)
  and (known.revoked_before is null or excluded.issued_at > known.revoked_before)
returning xmax = 0 as is_new`;

const forgetSql = `
delete from person where tenant_id = ? and revoked_at is null and id in (
  select id from person where tenant_id = ? and revoked_at is null order by issued_at desc offset ?
)`;
