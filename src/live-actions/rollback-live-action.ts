import { NotFoundFailure, StateFailure } from "../core/failures.ts";
import { newId } from "../core/ids.ts";
import { canonicalJson, isStorableText, type JsonObject, sha256 } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { checkReason } from "../core/reason.ts";
import { createMask } from "../secrets/mask.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { givenAgain } from "./accept-request.ts";
import { insertWaiting, requestPurpose, sealable } from "./ask-approval.ts";
import { beginAsSaid } from "./begin-as-said.ts";
import {
  type CredentialPlan,
  type GivenCredentials,
  planCredentials,
  plannedSecretNames,
  secretNamesOf,
} from "./credentials.ts";
import { begunAlone, type DispatchPorts, insertWithinQuota, mayRedirect } from "./dispatch-live-action.ts";
import { hasEffect, keepable } from "./dispatch-result.ts";
import { insertDispatch, type NewDispatch, unshared } from "./dispatch-rows.ts";
import type { Begun } from "./dispatch-store.ts";
import { LiveActionDispatch } from "./entities.ts";
import { approversOf, costOf, type Governance } from "./governance.ts";
import type { Registered, Registry } from "./registry.ts";
import { isBounded } from "./reserve-usage.ts";
import { missingCredentials } from "./simulate-dispatch.ts";

export interface RollbackInput {
  readonly requestId: string;
  readonly reason?: string | null | undefined;
}

export interface RolledBack {
  /** The rollback itself: a dispatch of the same pair, with a result of its own. */
  readonly dispatch: LiveActionDispatch;
  /** What it undid. */
  readonly rolledBack: LiveActionDispatch;
}

/**
 * Undoes what a dispatch did, all or some of what was wanted, by its vendor's adapter, with the tenant's stored credentials, of the account and at the
 * address that the dispatch named. It is governed as the dispatch was: it may wait
 * for people, and it counts. Only one rollback of a dispatch succeeds, or is under way; one that failed or was simulated may be tried again.
 * @throws NotFoundFailure; StateFailure `not_succeeded`, `irreversible`, `is_rollback`, `rolled_back`, `executor_not_found`; ValidationFailure
 * for a reason that can't be kept.
 */
export async function rollbackLiveAction(
  ctx: OperationContext,
  ports: DispatchPorts,
  { requestId, reason }: RollbackInput,
): Promise<RolledBack> {
  checkReason(reason);
  const { em, tenantId } = ctx;
  const isId = requestId.length <= limits.idLengthMax && isStorableText(requestId);
  const where = { tenantId, mode: "LIVE", requestId } as const;
  const rolledBack = isId ? await em.findOne(LiveActionDispatch, where, unshared) : null;
  if (!rolledBack) throw new NotFoundFailure("There is no live action of this requestId; dry runs have done nothing.");
  const registered = requireReversible(ports.registry, rolledBack);
  const dispatch = await begin(ctx, ports, { rolledBack, registered, reason: reason ?? undefined });
  return { dispatch, rolledBack };
}

function requireReversible(registry: Registry, dispatch: LiveActionDispatch): Registered {
  const { status, error, capability, vendorId, rollbackOfId } = dispatch;
  if (rollbackOfId != null)
    throw new StateFailure("is_rollback", "This is a rollback itself: dispatch the action anew.");
  if (!hasEffect(dispatch)) throw new StateFailure("not_succeeded", nothingToUndo(status, error));
  const registered = registry.find(vendorId ?? "", capability);
  if (!registered)
    throw new StateFailure("executor_not_found", `${vendorId} has no adapter for ${capability} any more.`);
  const { rollback, irreversible, reversedBy } = registered.adapter;
  if (rollback) return registered;
  const instead = reversedBy === undefined ? "" : ` Dispatch ${reversedBy} instead.`;
  throw new StateFailure("irreversible", `${irreversible ?? `${vendorId} can't undo ${capability}.`}${instead}`);
}

function nothingToUndo(status: LiveActionDispatch["status"], error: string | null | undefined): string {
  const rule = "Only what took effect can be rolled back, as a whole or in part";
  if (status == null) return `${rule}; this has not ended yet.`;
  if (status === "SIMULATED") return `${rule}; this was simulated.`;
  return `${rule}; this failed (${error}) and does not say that it changed anything. Where that is unknown, look at the vendor.`;
}

interface Wanted {
  readonly rolledBack: LiveActionDispatch;
  readonly registered: Registered;
  readonly reason: string | undefined;
}

async function begin(ctx: OperationContext, ports: DispatchPorts, wanted: Wanted): Promise<LiveActionDispatch> {
  const { rolledBack, registered } = wanted;
  const { adapter } = registered;
  const { target, params, givenCredentials } = rolledBack;
  // The same account and address as then: by the store's own ones, another system would be changed.
  const given = givenAgain(ports.registry, givenCredentials);
  const question = {
    tenantId: ctx.tenantId,
    capability: adapter.capability,
    secretNames: secretNamesOf(adapter, given),
  };
  const begun = await beginAsSaid(ports.store, question, async ({ policies, stored }, expected) => {
    const credentials = planCredentials(adapter, { given, stored, mayRedirect: mayRedirect(ctx) });
    return { ...(await write(ctx, ports, { ...wanted, given, policies, credentials, expected })), credentials };
  });
  const dispatch = inserted(ports, begun.dispatch);
  if (dispatch.state !== "RUNNING") return dispatch;
  const undo = (rolledBack.details ?? {}) as JsonObject;
  const { credentials, sealedSecrets, since } = begun;
  const call = { dispatch, adapter, target, params, secrets: [], credentials, sealedSecrets, undo, since };
  return ports.performer.perform(call);
}

interface Planned extends Wanted, Pick<Governance, "policies">, Pick<NewDispatch, "expected"> {
  readonly given: GivenCredentials;
  readonly credentials: CredentialPlan;
}

/** Writes the rollback down as what it is: a call, a question to people, or a simulation where credentials are missing. */
async function write(
  ctx: OperationContext,
  ports: DispatchPorts,
  { rolledBack, registered: { adapter }, reason, given, policies, credentials, expected }: Planned,
): Promise<Begun> {
  const { em, tenantId, actor } = ctx;
  const { capability, vendorId, timeoutMs } = adapter;
  const { target, params, caseId, givenCredentials } = rolledBack;
  const [id, requestId] = [newId(), newId()];
  const row: Omit<NewDispatch, "state" | "cost"> = {
    ...{ id, tenantId, requestId, mode: "LIVE", actor, capability, vendorId, target, params, reason, expected },
    operation: "rollbackLiveAction",
    ...{ caseId: caseId ?? undefined, requestedBy: undefined, rollbackOfId: rolledBack.id },
    givenCredentials: givenCredentials ?? {},
    inputHash: sha256(canonicalJson({ rollbackOf: rolledBack.id })),
  };
  if (credentials.missing.length > 0) {
    const asked = { requestId, target, params };
    const result = await missingCredentials(adapter, asked, { ...credentials, isUndoing: true });
    const state = { name: "COMPLETED", result: keepable(result, createMask([])) } as const;
    return begunAlone(insertDispatch(em, { ...row, cost: 0, state }));
  }
  const approvers = approversOf(policies, adapter);
  if (approvers) {
    const text = sealable({ target, params, given }, mayRedirect(ctx));
    const sealed = await ports.sealer.seal(text, requestPurpose(tenantId, id));
    const state = { name: "AWAITING_APPROVAL", approvalId: newId(), sealed } as const;
    return begunAlone(insertWaiting(em, { ...row, cost: 0, state }, { adapter, approvers }));
  }
  const state = { name: "RUNNING", timeoutMs } as const;
  const secretNames = plannedSecretNames(credentials);
  const running: NewDispatch = { ...row, cost: costOf(policies, adapter), state, secretNames };
  return isBounded(policies, adapter) ? insertWithinQuota({ em, adapter }, running) : ports.store.insert(running);
}

function inserted({ news }: DispatchPorts, dispatch: LiveActionDispatch | undefined): LiveActionDispatch {
  if (!dispatch)
    throw new StateFailure("rolled_back", "This was rolled back already, or a rollback of it is under way.");
  news.tellTenant(dispatch.tenantId);
  return dispatch;
}
