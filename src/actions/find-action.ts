import type { EntityManager } from "@mikro-orm/postgresql";
import { type Issue, NotFoundFailure, ValidationFailure } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import { Action } from "./entities.ts";
import { parseReference, type Reference, uuidRange } from "./reference.ts";

/** The action that a reference names, and the version it writes. */
export interface FoundAction {
  readonly action: Action;
  readonly reference: Reference;
}

/**
 * The tenant's action of a reference: by UUID, else by name, else by a prefix of the UUID that fits one action only.
 * @returns undefined where the tenant has none.
 * @throws ValidationFailure for what is no reference, and for a prefix of several UUIDs.
 */
export async function findAction(em: EntityManager, tenantId: string, ref: string): Promise<FoundAction | undefined> {
  const reference = parseReference(ref);
  if ("code" in reference) throw new ValidationFailure([{ ...reference, path: "$.ref" }]);
  const action = await findByText(em, tenantId, reference.action);
  return action ? { action, reference } : undefined;
}

/** Rows as they are now: an identity map would answer what it read before. */
const unshared = { disableIdentityMap: true } as const;

async function findByText(em: EntityManager, tenantId: string, text: string): Promise<Action | undefined> {
  const uuid = text.toLowerCase();
  if (isUuid(uuid)) return (await em.findOne(Action, { tenantId, uuid }, unshared)) ?? undefined;
  const named = await em.findOne(Action, { tenantId, name: text }, unshared);
  if (named) return named;
  const range = uuidRange(text);
  if (!range) return undefined;
  const begun = await em.find(
    Action,
    { tenantId, uuid: { $gte: range.least, $lte: range.greatest } },
    { ...unshared, limit: 2 },
  );
  if (begun.length > 1) throw new ValidationFailure([ambiguous]);
  return begun[0];
}

const ambiguous: Issue = {
  path: "$.ref",
  code: "ambiguous_reference",
  message: "Several actions have a UUID that begins like this: write more of it, or the name.",
};

/**
 * The tenant's action of a reference that names no version: what is changed as a whole.
 * @throws ValidationFailure also for a reference with a version, NotFoundFailure.
 */
export async function requireAction(em: EntityManager, tenantId: string, ref: string): Promise<Action> {
  const found = await findAction(em, tenantId, ref);
  if (!found) throw noSuchAction();
  if (found.reference.version) {
    const message = "This names a version, and the whole action is meant: leave @ and the version out.";
    throw new ValidationFailure([{ path: "$.ref", code: "version_not_expected", message }]);
  }
  return found.action;
}

export function noSuchAction(): NotFoundFailure {
  return new NotFoundFailure("There is no such action.");
}
