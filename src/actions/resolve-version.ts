import type { EntityManager } from "@mikro-orm/postgresql";
import { DomainFailure, type Issue, NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import type { ActionDefinition } from "./definition.ts";
import { Action, ActionVersion } from "./entities.ts";
import { findAction, noSuchAction } from "./find-action.ts";
import { formatVersionPart, parseReference, type VersionPart } from "./reference.ts";

/** An action as a playbook's step or a run keeps it: what it was pinned to. */
export interface PinnedAction {
  /** Our own id of the action. */
  readonly actionId: string;
  /** `name@MAJOR.MINOR`, which takes the line's newest patch at run time, or `name@MAJOR.MINOR.PATCH`, which is exact. */
  readonly actionRef: string;
}

/** The version that a reference means at this moment. */
export interface ResolvedAction {
  readonly actionId: string;
  readonly versionId: string;
  readonly name: string;
  readonly version: string;
  readonly type: Action["type"];
  /** A disabled action refuses production runs. */
  readonly enabled: boolean;
  readonly definition: ActionDefinition;
}

/**
 * Pins a reference for a playbook: a bare name or UUID to the MAJOR.MINOR of the active version; a written line or version stays.
 * @returns An issue at `$` where the reference means nothing now.
 */
export async function pinReference(em: EntityManager, tenantId: string, ref: string): Promise<PinnedAction | Issue> {
  try {
    const { action, version } = await requireVersion(em, tenantId, ref);
    const written = parseReference(ref);
    const part =
      "version" in written && written.version ? written.version : { major: version.major, minor: version.minor };
    return { actionId: action.id, actionRef: `${action.name}@${formatVersionPart(part)}` };
  } catch (error) {
    if (!(error instanceof DomainFailure)) throw error;
    const code = error instanceof ValidationFailure ? (error.issues[0]?.code ?? error.code) : error.code;
    const message = error instanceof ValidationFailure ? (error.issues[0]?.message ?? error.message) : error.message;
    return { path: "$", code: error instanceof NotFoundFailure ? "unknown_action" : code, message };
  }
}

/**
 * The version that a reference of any form means now, enabled or not.
 * @throws ValidationFailure for what is no reference, NotFoundFailure, StateFailure `version_withdrawn` or `no_active_version`.
 */
export async function resolveReference(em: EntityManager, tenantId: string, ref: string): Promise<ResolvedAction> {
  const { action, version } = await requireVersion(em, tenantId, ref);
  return resolved(action, version);
}

/**
 * The version that a pin means now, enabled or not.
 * @throws NotFoundFailure, StateFailure `version_withdrawn`.
 */
export async function resolvePinned(em: EntityManager, tenantId: string, pin: PinnedAction): Promise<ResolvedAction> {
  const reference = parseReference(pin.actionRef);
  if ("code" in reference || !reference.version) throw new Error(`${pin.actionRef} is no pin.`);
  const action = isUuid(pin.actionId) ? await em.findOne(Action, { id: pin.actionId, tenantId }, unshared) : null;
  if (!action) throw noSuchAction();
  return resolved(action, await versionOf(em, action, reference.version));
}

/**
 * Exactly this version, by its row, enabled or not.
 * @throws NotFoundFailure, StateFailure `version_withdrawn`.
 */
export async function resolveExact(em: EntityManager, tenantId: string, versionId: string): Promise<ResolvedAction> {
  const version = await em.findOne(ActionVersion, { id: versionId, tenantId }, unshared);
  const action = version ? await em.findOne(Action, { id: version.actionId, tenantId }, unshared) : null;
  if (!version || !action) throw noSuchAction();
  if (version.status === "WITHDRAWN") throw withdrawn(`${action.name}@${version.version} was withdrawn.`);
  return resolved(action, version);
}

/** Rows as they are now: an identity map would answer what it read before. */
const unshared = { disableIdentityMap: true } as const;

async function requireVersion(em: EntityManager, tenantId: string, ref: string) {
  const found = await findAction(em, tenantId, ref);
  if (!found) throw noSuchAction();
  const { action, reference } = found;
  return { action, version: await versionOf(em, action, reference.version ?? (await activeLine(em, action))) };
}

async function activeLine(em: EntityManager, { id, tenantId, name, activeVersionId }: Action): Promise<VersionPart> {
  const active = activeVersionId
    ? await em.findOne(
        ActionVersion,
        { id: activeVersionId, tenantId, actionId: id },
        { ...unshared, fields: ["major", "minor"] },
      )
    : null;
  if (active) return { major: active.major, minor: active.minor };
  throw new StateFailure(
    "no_active_version",
    `${name} has no active version: roll back to one, or register a new one.`,
  );
}

async function versionOf(em: EntityManager, { id, tenantId, name }: Action, part: VersionPart): Promise<ActionVersion> {
  const { major, minor, patch } = part;
  const text = `${name}@${formatVersionPart(part)}`;
  const line = { tenantId, actionId: id, major, minor };
  if (patch !== undefined) {
    const exact = await em.findOne(ActionVersion, { ...line, patch }, unshared);
    if (!exact) throw new NotFoundFailure(`There is no version ${text}.`);
    if (exact.status === "WITHDRAWN") throw withdrawn(`${text} was withdrawn.`);
    return exact;
  }
  const [newest] = await em.find(
    ActionVersion,
    { ...line, status: "REGISTERED" },
    { ...unshared, orderBy: { patch: "desc" }, limit: 1 },
  );
  if (newest) return newest;
  if ((await em.count(ActionVersion, line)) === 0) throw new NotFoundFailure(`There is no version ${text}.`);
  throw withdrawn(`Every version of ${text} was withdrawn or is held back.`);
}

function withdrawn(message: string): StateFailure {
  return new StateFailure("version_withdrawn", message);
}

function resolved(
  { id, name, type, enabled }: Action,
  { id: versionId, version, definition }: ActionVersion,
): ResolvedAction {
  // Only what `checkDefinition` accepted is ever stored.
  return {
    actionId: id,
    versionId,
    name,
    version,
    type,
    enabled,
    definition: definition as unknown as ActionDefinition,
  };
}
