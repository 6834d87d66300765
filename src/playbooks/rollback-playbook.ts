import { LockMode } from "@mikro-orm/core";
import { parseVersion } from "../actions/version.ts";
import { NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { cardOf } from "./catalogue-card.ts";
import { Playbook, PlaybookVersion } from "./entities.ts";

export interface RollbackPlaybookInput {
  readonly key: string;
  /** MAJOR.MINOR.PATCH of a registered version; also of one above the active one, which makes that active again. */
  readonly version: string;
  readonly reason?: string | null | undefined;
}

/**
 * Makes a registered version the active one. Nothing is deleted, and runs under way keep their version.
 * @throws ValidationFailure for a version that is none, or a reason that is too long.
 * @throws NotFoundFailure when there is no such playbook or version.
 * @throws StateFailure `already_active` when it is the active one.
 */
export async function rollbackPlaybook(
  { em, tenantId }: OperationContext,
  input: RollbackPlaybookInput,
): Promise<Playbook> {
  checkInput(input);
  return em.transactional(async (inner) => {
    const playbook = await inner.findOne(
      Playbook,
      { tenantId, key: input.key },
      { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
    );
    if (!playbook) throw new NotFoundFailure(`There is no playbook with the key ${JSON.stringify(input.key)}.`);
    const version = await inner.findOne(PlaybookVersion, { tenantId, playbookId: playbook.id, version: input.version });
    if (!version) throw new NotFoundFailure(`The playbook ${input.key} has no version ${input.version}.`);
    if (version.id === playbook.activeVersionId) {
      throw new StateFailure("already_active", `Version ${input.version} is the active one already.`);
    }
    return inner.assign(playbook, { activeVersionId: version.id, ...cardOf(version.document) });
  });
}

function checkInput({ version, reason }: RollbackPlaybookInput): void {
  const issues = [];
  if (!parseVersion(version)) {
    issues.push({ path: "$.version", code: "format", message: "A version is MAJOR.MINOR.PATCH, such as 1.2.0." });
  }
  if (reason != null && reason.length > limits.textLengthMax) {
    const message = `A reason is at most ${limits.textLengthMax} characters long.`;
    issues.push({ path: "$.reason", code: "out_of_bounds", message });
  }
  if (issues.length > 0) throw new ValidationFailure(issues);
}
