import { NotFoundFailure, StateFailure } from "../core/failures.ts";
import { type Json, storableText } from "../core/json.ts";
import { PlaybookVersion } from "../playbooks/entities.ts";
import { findPlaybook } from "../playbooks/find-playbook.ts";
import type { PlaybookCatalogue } from "../playbooks/playbook-catalogue.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import type { Run } from "./entities.ts";
import { acceptedKey, acceptedObject, type StartPorts, startRun } from "./start-run.ts";

export interface ExecutePlaybookInput {
  readonly key: string;
  /** MAJOR.MINOR.PATCH; the active version when left out. */
  readonly version?: string | null | undefined;
  /** `{finding, asset, …}`. */
  readonly context?: Json | undefined;
  readonly dryRun?: boolean | null | undefined;
  readonly idempotencyKey?: string | null | undefined;
}

/**
 * Starts a playbook by hand.
 * @throws NotFoundFailure; StateFailure `playbook_disabled`, `not_yet`; ValidationFailure; ConflictFailure.
 */
export async function executePlaybook(
  ctx: OperationContext,
  ports: StartPorts & { readonly playbooks: PlaybookCatalogue },
  input: ExecutePlaybookInput,
): Promise<Run> {
  const context = acceptedObject(input.context, "$.context");
  const idempotencyKey = acceptedKey(input.idempotencyKey);
  const { em, tenantId } = ctx;
  const playbook = await findPlaybook(ctx, input.key);
  if (!playbook) throw new NotFoundFailure(`There is no playbook with the key ${JSON.stringify(input.key)}.`);
  const version = await em.findOne(
    PlaybookVersion,
    {
      tenantId,
      playbookId: playbook.id,
      ...(input.version == null ? { id: playbook.activeVersionId } : { version: storableText(input.version) }),
    },
    { disableIdentityMap: true, fields: ["id"] },
  );
  if (!version) throw new NotFoundFailure(`Playbook ${playbook.key} has no version ${input.version}.`);
  if (input.dryRun) throw new StateFailure("not_yet", "Dry runs of playbooks are not built yet; leave dryRun out.");
  const plan = await ports.playbooks.plan(tenantId, version.id);
  return startRun(ctx, ports, {
    kind: "PLAYBOOK",
    plan: { ...plan, kind: "PLAYBOOK" },
    playbookId: playbook.id,
    playbookVersionId: version.id,
    context,
    idempotencyKey,
    input: { playbook: playbook.id, version: input.version ?? null, context },
    check() {
      if (playbook.enabled) return;
      const message = `Playbook ${playbook.key} is disabled; setPlaybookEnabled turns it on.`;
      throw new StateFailure("playbook_disabled", message);
    },
  });
}
