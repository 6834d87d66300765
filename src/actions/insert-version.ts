import type { EntityManager } from "@mikro-orm/postgresql";
import { type JsonObject, sha256 } from "../core/json.ts";
import type { PackageFile } from "../executors/executor.ts";
import { cardOf } from "./action-card.ts";
import type { ActionDefinition } from "./definition.ts";
import { type Action, ActionFile, ActionVersion } from "./entities.ts";
import { parseVersion } from "./version.ts";

/** Writes a checked version with its files. @throws UniqueConstraintViolationException when the action has that version. */
export async function insertVersion(
  em: EntityManager,
  action: Action,
  { definition, files }: { readonly definition: ActionDefinition; readonly files: readonly PackageFile[] },
): Promise<ActionVersion> {
  const { tenantId, id: actionId } = action;
  const version = em.create(ActionVersion, {
    tenantId,
    actionId,
    version: definition.version,
    ...parseVersion(definition.version)!,
    definition: definition as unknown as JsonObject,
    executorType: cardOf(definition).executorType,
  });
  await em.persist(version).flush();
  for (const { path, content, executable } of files) {
    const about = { path, executable, sha256: sha256(content), bytes: content.length };
    em.persist(em.create(ActionFile, { tenantId, versionId: version.id, ...about, content: Buffer.from(content) }));
  }
  await em.flush();
  return version;
}
