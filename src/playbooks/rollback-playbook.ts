import { parseVersion } from "../actions/version.ts";
import { recordAudit } from "../audit/record-audit.ts";
import { type Issue, NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { checkReason } from "../core/reason.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { cardOf } from "./catalogue-card.ts";
import { type Playbook, PlaybookVersion } from "./entities.ts";
import { findPlaybook, lockPlaybook } from "./find-playbook.ts";
import { playbookChanged } from "./playbook-change.ts";

export interface RollbackPlaybookInput {
  readonly key: string;
  /** MAJOR.MINOR.PATCH of a registered version; also of one above the active one, which makes that active again. */
  readonly version: string;
  readonly reason?: string | null | undefined;
}

/**
 * Makes a registered version the active one. Nothing is deleted, and runs under way keep their version.
 * @throws ValidationFailure for a version or a reason that is none.
 * @throws NotFoundFailure when there is no such playbook or version.
 * @throws StateFailure `already_active` when it is the active one.
 */
export async function rollbackPlaybook(ctx: OperationContext, input: RollbackPlaybookInput): Promise<Playbook> {
  const { em, tenantId } = ctx;
  if (!parseVersion(input.version)) throw new ValidationFailure([noVersion]);
  checkReason(input.reason);
  const found = await findPlaybook(ctx, input.key);
  if (!found) throw new NotFoundFailure(`There is no playbook with the key ${JSON.stringify(input.key)}.`);
  return em.transactional(async (inner) => {
    const playbook = await lockPlaybook(inner, tenantId, found.id);
    const version = await inner.findOne(PlaybookVersion, { tenantId, playbookId: playbook.id, version: input.version });
    if (!version) throw new NotFoundFailure(`The playbook ${input.key} has no version ${input.version}.`);
    if (version.id === playbook.activeVersionId) {
      throw new StateFailure("already_active", `Version ${input.version} is the active one already.`);
    }
    inner.assign(playbook, { activeVersionId: version.id, ...cardOf(version.document) });
    await playbookChanged(inner, playbook);
    const detail = { version: version.version, reason: input.reason ?? null };
    await recordAudit(inner, ctx, { operation: "rollbackPlaybook", subject: `playbook:${playbook.key}`, detail });
    return playbook;
  });
}

const noVersion: Issue = {
  path: "$.version",
  code: "invalid_version",
  message: "A version is written MAJOR.MINOR.PATCH, such as 1.2.0.",
};
