import type { EntityManager } from "@mikro-orm/postgresql";
import { recordAudit } from "../audit/record-audit.ts";
import { type Issue, NotFoundFailure, ValidationFailure } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Variable } from "./entities.ts";
import { entryIssues, isEntryName } from "./names.ts";
import { notifyCatalogue } from "./notify.ts";

/** The variables of a tenant, by name: what templates find under `env`. At most `limits.variablesPerTenantMax`. */
export async function readVariables(em: EntityManager, tenantId: string): Promise<Record<string, string>> {
  const rows = await em.fork().find(Variable, { tenantId }, { fields: ["name", "value"], orderBy: { name: "asc" } });
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

export interface VariableInput {
  /** `[A-Za-z0-9_.-]{1,128}`. */
  readonly name: string;
  /** At most `limits.variableBytesMax` bytes of UTF-8, without U+0000; may be empty. Everybody of the tenant can read it. */
  readonly value: string;
}

/**
 * Sets a variable of the caller's tenant, in the place of the one of that name if there is one.
 * @throws ValidationFailure with every problem of the input; no message quotes it.
 */
export async function putVariable(ctx: OperationContext, { name, value }: VariableInput): Promise<Variable> {
  const { tenantId } = ctx;
  const issues = entryIssues({ name, value }, { bytesMax: limits.variableBytesMax });
  if (value.includes("\u0000")) issues.push(nullCharacter);
  if (issues.length > 0) throw new ValidationFailure(issues);
  return ctx.em.transactional(async (em) => {
    const isNew = (await em.count(Variable, { tenantId, name })) === 0;
    if (isNew && (await em.count(Variable, { tenantId })) >= limits.variablesPerTenantMax)
      throw new ValidationFailure([tooMany]);
    const variable = await em.upsert(
      Variable,
      { tenantId, name, value },
      { onConflictFields: ["tenantId", "name"], onConflictMergeFields: ["value", "updatedAt"] },
    );
    await recordAudit(em, ctx, { operation: "putVariable", subject: `variable:${name}`, detail: { isNew } });
    await notifyCatalogue(em, tenantId);
    return variable;
  });
}

/** Takes a variable away. @throws NotFoundFailure when the caller's tenant has none of that name. */
export async function deleteVariable(ctx: OperationContext, name: string): Promise<void> {
  const { tenantId } = ctx;
  await ctx.em.transactional(async (em) => {
    const deleted = isEntryName(name) ? await em.nativeDelete(Variable, { tenantId, name }) : 0;
    if (deleted === 0) throw new NotFoundFailure("There is no variable of this name.");
    await recordAudit(em, ctx, { operation: "deleteVariable", subject: `variable:${name}` });
    await notifyCatalogue(em, tenantId);
  });
}

const nullCharacter: Issue = {
  path: "$.value",
  code: "invalid_text",
  message: "The value holds U+0000, which can't be stored.",
};
const tooMany: Issue = {
  path: "$.name",
  code: "too_many",
  message: `A tenant has at most ${limits.variablesPerTenantMax} variables.`,
};
