import { UniqueConstraintViolationException } from "@mikro-orm/core";
import { recordAudit } from "../audit/record-audit.ts";
import { ConflictFailure, ValidationFailure } from "../core/failures.ts";
import { newId } from "../core/ids.ts";
import { enterTenant } from "../database/request-orm.ts";
import { generateToken, hashToken } from "./api-token.ts";
import { ApiToken, Tenant } from "./entities.ts";
import { nameIssues } from "./names.ts";
import type { OperationContext } from "./operation-context.ts";

/**
 * Makes a tenant with a first admin. The caller needs `tenant:create`, which only admins of the host tenant have.
 * @returns The tenant, and its first admin's token: in this answer once and nowhere else.
 * @throws ValidationFailure for a name that is none, ConflictFailure when a tenant has it.
 */
export async function createTenant(
  ctx: OperationContext,
  { name }: { readonly name: string },
): Promise<{ readonly tenant: Tenant; readonly token: string }> {
  const issues = nameIssues(name);
  if (issues.length > 0) throw new ValidationFailure(issues);
  const token = generateToken();
  try {
    const tenant = await ctx.em.transactional(async (em) => {
      const created = em.create(Tenant, { id: newId(), name });
      // In the caller's trail: the new tenant learns of nobody else.
      await recordAudit(em, ctx, { operation: "createTenant", subject: `tenant:${created.id}`, detail: { name } });
      await enterTenant(em, created.id);
      await em.persist(created).flush();
      em.persist(
        em.create(ApiToken, { tenantId: created.id, name: "first admin", hash: hashToken(token), roles: ["admin"] }),
      );
      return created;
    });
    return { tenant, token };
  } catch (error) {
    // Two at once with one name: the index decides.
    if (error instanceof UniqueConstraintViolationException)
      throw new ConflictFailure("name_taken", "A tenant has this name; choose another.");
    throw error;
  }
}
