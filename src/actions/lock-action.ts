import { LockMode } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { type Issue, NotFoundFailure, ValidationFailure } from "../core/failures.ts";
import { cardOf } from "./action-card.ts";
import type { ActionDefinition } from "./definition.ts";
import { Action, ActionVersion } from "./entities.ts";
import { requireAction } from "./find-action.ts";
import { parseVersion } from "./version.ts";

/**
 * The action of a reference, locked until the transaction ends: changes of one action's versions come one after the other.
 * @throws ValidationFailure, NotFoundFailure
 */
export async function lockAction(em: EntityManager, tenantId: string, ref: string): Promise<Action> {
  const { id } = await requireAction(em, tenantId, ref);
  return em.findOneOrFail(Action, { id, tenantId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
}

/**
 * A version of an action by its full number.
 * @throws ValidationFailure for what is no MAJOR.MINOR.PATCH, NotFoundFailure.
 */
export async function requireVersionOf(em: EntityManager, action: Action, version: string): Promise<ActionVersion> {
  const parsed = parseVersion(version);
  if (!parsed) throw new ValidationFailure([noVersion]);
  const found = await em.findOne(ActionVersion, { tenantId: action.tenantId, actionId: action.id, ...parsed });
  if (!found) throw new NotFoundFailure(`There is no version ${action.name}@${version}.`);
  return found;
}

const noVersion: Issue = {
  path: "$.version",
  code: "invalid_version",
  message: "A version is written MAJOR.MINOR.PATCH, such as 1.2.0.",
};

/** Makes a version the active one; the catalogue's card shows it from now on. Without one the card stays as it was. */
export function activate(action: Action, version: ActionVersion | undefined): void {
  action.activeVersionId = version?.id ?? null;
  if (version) Object.assign(action, cardOf(version.definition as unknown as ActionDefinition));
}
