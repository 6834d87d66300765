import { recordAudit } from "../audit/record-audit.ts";
import { ConflictFailure, NotFoundFailure, ValidationFailure } from "../core/failures.ts";
import { isStorableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { Person, Tenant } from "./entities.ts";
import { personId } from "./jwt-claims.ts";
import type { JwtProvider } from "./jwt-provider.ts";
import type { OperationContext } from "./operation-context.ts";

export interface RevokePersonTokensInput {
  /** Exactly as in `iss`. */
  readonly issuer: string;
  /** Exactly as in `sub`. */
  readonly subject: string;
}

export interface RevokedPerson {
  /** By the database's clock. */
  readonly revokedAt: Date;
  /** When the latest JWT that they came with was issued, as `Person.issuedAt`; undefined where this person has never come to the tenant. */
  readonly lastIssuedAt: Date | undefined;
}

/** Whose JWTs are believed. */
export type KnownProvider = Pick<JwtProvider, "issuer" | "tenant" | "clockToleranceSeconds">;

/**
 * Refuses every JWT of a person that was issued until now, for the caller's tenant, and whatever they have asked for by now and waits for people.
 * Again it does so anew. Other nodes, and open streams, notice as with an API token; this process once the authenticator forgets.
 *
 * "Until now" is by the issuer's clock in the JWT and by the database's here. So that none from before slips through, it reaches as far into the
 * future as that clock may go ahead (`clockToleranceSeconds`), and to the latest JWT that they came with: those from right after are refused too.
 * @throws ValidationFailure for a subject that can be none; NotFoundFailure for an issuer that does not speak for the tenant; ConflictFailure.
 */
export async function revokePersonTokens(
  ctx: OperationContext,
  providers: readonly KnownProvider[],
  { issuer, subject }: RevokePersonTokensInput,
): Promise<RevokedPerson> {
  if (subject === "" || subject.length > limits.jwtSubjectLengthMax || !isStorableText(subject)) {
    const message = `A subject has 1 to ${limits.jwtSubjectLengthMax} characters, exactly as in the JWT's sub.`;
    throw new ValidationFailure([{ path: "$.subject", code: "invalid_subject", message }]);
  }
  const { name } = await ctx.em.findOneOrFail(Tenant, { id: ctx.tenantId });
  const provider = providers.find((one) => one.issuer === issuer && speaksFor(one, { id: ctx.tenantId, name }));
  if (!provider) {
    throw new NotFoundFailure(
      "No identity provider of your tenant has this issuer; give it exactly as in the JWT's iss.",
    );
  }
  const id = personId(issuer, subject);
  return ctx.em.transactional(async (em) => {
    const others = { tenantId: ctx.tenantId, id: { $ne: id }, revokedAt: { $ne: null } };
    if ((await em.count(Person, others)) >= limits.peoplePerTenantMax) {
      const message = `The JWTs of at most ${limits.peoplePerTenantMax} people of a tenant can be revoked; disable the account at its provider.`;
      throw new ConflictFailure("too_many_people", message);
    }
    const values = [id, ctx.tenantId, provider.clockToleranceSeconds];
    const [row] = await em.execute<{ revoked_ms: string; issued_ms: string | null }[]>(revokeSql, values);
    await recordAudit(em, ctx, {
      operation: "revokePersonTokens",
      subject: `person:${id}`,
      detail: { issuer, subject },
    });
    const lastIssuedAt = row?.issued_ms == null ? undefined : new Date(Number(row.issued_ms));
    return { revokedAt: new Date(Number(row?.revoked_ms)), lastIssuedAt };
  });
}

/** One that names tenants in a claim may name any. */
function speaksFor({ tenant }: KnownProvider, { id, name }: { readonly id: string; readonly name: string }): boolean {
  return "claim" in tenant || tenant.name === name || tenant.name === id;
}

// The roles go with it: until a later JWT tells new ones, nothing is done in their name.
const revokeSql = `
insert into person as known (id, tenant_id, roles, revoked_at, revoked_before)
select ?, ?, '{}', at, at + ? * interval '1 second' from (select clock_timestamp() as at) as now
on conflict (id, tenant_id) do update set
  roles = '{}', revoked_at = excluded.revoked_at,
  revoked_before = greatest(excluded.revoked_before, known.issued_at, known.revoked_before)
returning floor(extract(epoch from revoked_at) * 1000) as revoked_ms, extract(epoch from issued_at) * 1000 as issued_ms`;
