import type { EntityManager } from "@mikro-orm/postgresql";
import { recordAudit } from "../audit/record-audit.ts";
import { ConflictFailure, type Issue, NotFoundFailure, ValidationFailure } from "../core/failures.ts";
import { notifyCatalogue } from "../secrets/notify.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { bumpIssues, type VersionedDefinition } from "./compare-definitions.ts";
import type { ActionDefinition } from "./definition.ts";
import { Action, ActionVersion } from "./entities.ts";
import { insertVersion } from "./insert-version.ts";
import { activate, lockAction } from "./lock-action.ts";
import type { Registered } from "./register-action.ts";
import { type DefinitionInput, requireValidAction } from "./validate-action.ts";
import { compareVersions, parseVersion, type Version } from "./version.ts";

/**
 * Adds a version to the action that the definition names. It becomes the active one, unless it is below that; then it is the newest
 * of its own MAJOR.MINOR line only. Versions of its line that a roll-back held back, and that are older, are free again.
 * @throws ValidationFailure also for a version that is a smaller step than what changed, NotFoundFailure, ConflictFailure
 *   `version_exists`.
 */
export async function registerActionVersion(context: OperationContext, input: DefinitionInput): Promise<Registered> {
  const { tenantId } = context;
  const { definition, files, warnings } = requireValidAction(input);
  return context.em.fork().transactional(async (em) => {
    const action = await lockNamed(em, tenantId, definition);
    const added = { version: parseVersion(definition.version)!, definition };
    const stepWarnings = await checkStep(em, action, added);
    const active = action.activeVersionId
      ? await em.findOneOrFail(ActionVersion, { id: action.activeVersionId, tenantId, actionId: action.id })
      : undefined;
    const version = await insertVersion(em, action, { definition, files });
    if (!active || compareVersions(added.version, active) > 0) activate(action, version);
    await releaseOlder(em, action, added.version);
    await em.flush();
    const isActive = action.activeVersionId === version.id;
    const detail = { version: version.version, executor: version.executorType, isActive };
    await recordAudit(em, context, { operation: "registerActionVersion", subject: `action:${action.name}`, detail });
    await notifyCatalogue(em, tenantId);
    return { action, version, warnings: [...warnings, ...stepWarnings, ...flagWarnings(action, definition)] };
  });
}

async function lockNamed(em: EntityManager, tenantId: string, { name, id }: ActionDefinition): Promise<Action> {
  const named = await em.findOne(Action, { tenantId, name }, { fields: ["uuid"], disableIdentityMap: true });
  if (!named) throw new NotFoundFailure(`There is no action ${name}: register it with registerAction.`);
  if (id !== undefined && id.toLowerCase() !== named.uuid) {
    const message = `${name} has the id ${named.uuid}. A version carries its action's id, or none.`;
    throw new ValidationFailure([{ path: "$.id", code: "other_id", message }]);
  }
  return lockAction(em, tenantId, named.uuid);
}

/** @returns Warnings about the version above. @throws ConflictFailure, ValidationFailure */
async function checkStep(em: EntityManager, action: Action, added: VersionedDefinition): Promise<readonly Issue[]> {
  const numbers = await em.find(
    ActionVersion,
    { tenantId: action.tenantId, actionId: action.id },
    { fields: ["major", "minor", "patch"], disableIdentityMap: true },
  );
  if (numbers.some((number) => compareVersions(number, added.version) === 0)) {
    const message = `${action.name}@${added.definition.version} exists, and a version never changes: choose the next number.`;
    throw new ConflictFailure("version_exists", message);
  }
  const sorted = numbers.sort(compareVersions);
  const below = sorted.findLast((number) => compareVersions(number, added.version) < 0);
  const above = sorted.find((number) => compareVersions(number, added.version) > 0);
  const [versionBelow, versionAbove] = await Promise.all([
    readVersion(em, action, below),
    readVersion(em, action, above),
  ]);
  const { issues, warnings } = bumpIssues(added, { below: versionBelow, above: versionAbove });
  if (issues.length > 0) throw new ValidationFailure(issues);
  return warnings;
}

async function readVersion(
  em: EntityManager,
  { id, tenantId }: Action,
  number: (Version & { readonly id: string }) | undefined,
): Promise<VersionedDefinition | undefined> {
  if (!number) return undefined;
  const row = await em.findOneOrFail(ActionVersion, { id: number.id, tenantId, actionId: id });
  return { version: row, definition: row.definition as unknown as ActionDefinition };
}

async function releaseOlder(
  em: EntityManager,
  { id, tenantId }: Action,
  { major, minor, patch }: Version,
): Promise<void> {
  const older = { tenantId, actionId: id, major, minor, patch: { $lt: patch }, status: "HELD_BACK" as const };
  await em.nativeUpdate(ActionVersion, older, { status: "REGISTERED" });
}

function flagWarnings({ enabled, name }: Action, definition: ActionDefinition): Issue[] {
  if (definition.enabled === undefined || definition.enabled === enabled) return [];
  const message = `${name} is ${enabled ? "enabled" : "disabled"} and stays so: setActionEnabled changes it.`;
  return [{ path: "$.enabled", code: "enabled_not_changed", message }];
}
