import { NotFoundFailure, StateFailure } from "../core/failures.ts";
import { type Json, storableText } from "../core/json.ts";
import { type Playbook, PlaybookVersion } from "../playbooks/entities.ts";
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
  /** Answer every executor by a simulation; a disabled playbook may be tried so. */
  readonly dryRun?: boolean | null | undefined;
  readonly idempotencyKey?: string | null | undefined;
}

/**
 * Starts a playbook by hand.
 * @throws NotFoundFailure; StateFailure `playbook_disabled`; ValidationFailure; ConflictFailure.
 */
export async function executePlaybook(
  ctx: OperationContext,
  ports: StartPorts & { readonly playbooks: PlaybookCatalogue },
  input: ExecutePlaybookInput,
): Promise<Run> {
  const context = acceptedObject(input.context, "$.context");
  const idempotencyKey = acceptedKey(input.idempotencyKey);
  const playbook = await findPlaybook(ctx, input.key);
  if (!playbook) throw new NotFoundFailure(`There is no playbook with the key ${JSON.stringify(input.key)}.`);
  const versionId = await versionOf(ctx, playbook, input.version);
  const dryRun = input.dryRun ?? false;
  const plan = await ports.playbooks.plan(ctx.tenantId, versionId);
  return startRun(ctx, ports, {
    kind: "PLAYBOOK",
    plan: { ...plan, kind: "PLAYBOOK" },
    playbookId: playbook.id,
    playbookVersionId: versionId,
    context,
    dryRun,
    idempotencyKey,
    deed: { operation: "executePlaybook", subject: `playbook:${playbook.key}`, detail: { version: plan.version } },
    input: { playbook: playbook.id, version: input.version ?? null, context, ...(dryRun ? { dryRun } : {}) },
    check() {
      if (!dryRun) refuseDisabled(playbook);
    },
  });
}

/** @throws StateFailure `playbook_disabled`. */
export function refuseDisabled({ key, enabled }: Playbook): void {
  if (enabled) return;
  throw new StateFailure("playbook_disabled", `Playbook ${key} is disabled; setPlaybookEnabled turns it on.`);
}

/** The row of the version that was asked for; the active one is known without asking. */
async function versionOf(
  { em, tenantId }: OperationContext,
  playbook: Playbook,
  version: string | null | undefined,
): Promise<string> {
  if (version == null) return playbook.activeVersionId;
  const found = await em.findOne(
    PlaybookVersion,
    { tenantId, playbookId: playbook.id, version: storableText(version) },
    { disableIdentityMap: true, fields: ["id"] },
  );
  if (!found) throw new NotFoundFailure(`Playbook ${playbook.key} has no version ${version}.`);
  return found.id;
}
