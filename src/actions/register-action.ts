import { randomUUID } from "node:crypto";
import { UniqueConstraintViolationException } from "@mikro-orm/core";
import { recordAudit } from "../audit/record-audit.ts";
import { ConflictFailure, type Issue } from "../core/failures.ts";
import { notifyCatalogue } from "../secrets/notify.ts";
import { Tenant } from "../tenancy/entities.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { cardOf } from "./action-card.ts";
import { Action, type ActionVersion } from "./entities.ts";
import { insertVersion } from "./insert-version.ts";
import { type DefinitionInput, requireValidAction } from "./validate-action.ts";

export interface Registered {
  readonly action: Action;
  readonly version: ActionVersion;
  readonly warnings: readonly Issue[];
}

/**
 * Registers a new action with its first version, which becomes the active one.
 * @throws ValidationFailure with every problem of the definition and its files; nothing is registered then.
 * @throws ConflictFailure `name_taken` or `id_taken`.
 */
export async function registerAction(context: OperationContext, input: DefinitionInput): Promise<Registered> {
  const { tenantId } = context;
  const { definition, files, warnings } = requireValidAction(input);
  try {
    return await context.em.fork().transactional(async (em) => {
      const tenant = await em.findOneOrFail(Tenant, { id: tenantId });
      const uuid = definition.id?.toLowerCase() ?? randomUUID();
      if (await em.count(Action, { tenantId, name: definition.name })) throw nameTaken(definition.name);
      if (await em.count(Action, { tenantId, uuid })) throw idTaken();
      const enabled = !tenant.newActionsStartDisabled && (definition.enabled ?? true);
      const action = em.create(Action, { tenantId, uuid, name: definition.name, enabled, ...cardOf(definition) });
      await em.persist(action).flush();
      const version = await insertVersion(em, action, { definition, files });
      action.activeVersionId = version.id;
      await em.flush();
      const detail = { uuid, version: version.version, executor: version.executorType, enabled };
      await recordAudit(em, context, { operation: "registerAction", subject: `action:${action.name}`, detail });
      await notifyCatalogue(em, tenantId);
      return { action, version, warnings };
    });
  } catch (error) {
    // Two at once: the index decides.
    if (!(error instanceof UniqueConstraintViolationException)) throw error;
    throw error.message.includes("uuid") ? idTaken() : nameTaken(definition.name);
  }
}

function nameTaken(name: string): ConflictFailure {
  return new ConflictFailure(
    "name_taken",
    `There is an action ${name}: add a version to it with registerActionVersion.`,
  );
}

function idTaken(): ConflictFailure {
  return new ConflictFailure("id_taken", "Another action has this id: leave it out, and one is assigned.");
}
