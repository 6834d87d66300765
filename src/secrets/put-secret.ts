import { recordAudit } from "../audit/record-audit.ts";
import { type Issue, ValidationFailure } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { secretPurpose } from "./credential-store.ts";
import { Secret } from "./entities.ts";
import { entryIssues } from "./names.ts";
import { notifyCatalogue } from "./notify.ts";
import type { Sealer } from "./seal.ts";

export interface SecretInput {
  /** `[A-Za-z0-9_.-]{1,128}`. */
  readonly name: string;
  /** Not empty, at most `limits.secretBytesMax` bytes of UTF-8. Kept exactly as it is. */
  readonly value: string;
}

/**
 * Puts a secret into the credential store, in the place of the one of that name if there is one.
 * @throws ValidationFailure with every problem of the input; no message quotes it.
 */
export async function putSecret(ctx: OperationContext, sealer: Sealer, input: SecretInput): Promise<Secret> {
  const { tenantId } = ctx;
  const { name } = input;
  const issues = entryIssues(input, { bytesMax: limits.secretBytesMax });
  if (input.value === "") issues.push(emptyValue);
  if (issues.length > 0) throw new ValidationFailure(issues);
  const sealed = await sealer.seal(input.value, secretPurpose(tenantId, name));
  return ctx.em.transactional(async (em) => {
    const isNew = (await em.count(Secret, { tenantId, name })) === 0;
    if (isNew && (await em.count(Secret, { tenantId })) >= limits.secretsPerTenantMax)
      throw new ValidationFailure([tooMany]);
    const secret = await em.upsert(
      Secret,
      { tenantId, name, sealed, keyId: sealer.keyId },
      { onConflictFields: ["tenantId", "name"], onConflictMergeFields: ["sealed", "keyId", "updatedAt"] },
    );
    await recordAudit(em, ctx, { operation: "putSecret", subject: `secret:${name}`, detail: { isNew } });
    await notifyCatalogue(em, tenantId);
    return secret;
  });
}

const emptyValue: Issue = {
  path: "$.value",
  code: "empty",
  message: "A secret is not empty; deleteSecret takes it away.",
};
const tooMany: Issue = {
  path: "$.name",
  code: "too_many",
  message: `A tenant has at most ${limits.secretsPerTenantMax} secrets.`,
};
