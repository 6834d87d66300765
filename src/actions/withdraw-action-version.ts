import type { EntityManager } from "@mikro-orm/postgresql";
import { recordAudit } from "../audit/record-audit.ts";
import { StateFailure } from "../core/failures.ts";
import { requireReason } from "../core/reason.ts";
import { notifyCatalogue } from "../secrets/notify.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { type Action, ActionVersion } from "./entities.ts";
import { activate, lockAction, requireVersionOf } from "./lock-action.ts";
import { compareVersions, type Version } from "./version.ts";

export interface WithdrawInput {
  readonly ref: string;
  /** MAJOR.MINOR.PATCH. */
  readonly version: string;
  readonly reason: string;
}

/**
 * Withdraws a version that was found bad: nothing resolves to it any more, and what names it exactly fails with `version_withdrawn`.
 * There is no way back. Was it the active one, the highest version below it takes its place, else the highest there is; versions
 * that are held back never do by themselves, so an action may be left without an active version.
 * @throws ValidationFailure, NotFoundFailure, StateFailure `version_withdrawn` when it was withdrawn before.
 */
export async function withdrawActionVersion(context: OperationContext, input: WithdrawInput): Promise<ActionVersion> {
  const { tenantId } = context;
  requireReason(input.reason);
  return context.em.fork().transactional(async (em) => {
    const action = await lockAction(em, tenantId, input.ref);
    const version = await requireVersionOf(em, action, input.version);
    if (version.status === "WITHDRAWN") {
      throw new StateFailure("version_withdrawn", `${action.name}@${input.version} was withdrawn before.`);
    }
    version.status = "WITHDRAWN";
    version.withdrawnReason = input.reason;
    await em.flush();
    if (action.activeVersionId === version.id) activate(action, await successor(em, action, version));
    await em.flush();
    const detail = { version: version.version, reason: input.reason };
    await recordAudit(em, context, { operation: "withdrawActionVersion", subject: `action:${action.name}`, detail });
    await notifyCatalogue(em, tenantId);
    return version;
  });
}

async function successor(
  em: EntityManager,
  { id, tenantId }: Action,
  withdrawn: Version,
): Promise<ActionVersion | undefined> {
  const candidates = await em.find(
    ActionVersion,
    { tenantId, actionId: id, status: "REGISTERED" },
    {
      fields: ["major", "minor", "patch"],
      orderBy: { major: "desc", minor: "desc", patch: "desc" },
      disableIdentityMap: true,
    },
  );
  const chosen = candidates.find((candidate) => compareVersions(candidate, withdrawn) < 0) ?? candidates[0];
  return chosen && em.findOneOrFail(ActionVersion, { id: chosen.id, tenantId, actionId: id });
}
