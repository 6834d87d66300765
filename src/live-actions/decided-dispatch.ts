import type { EntityManager } from "@mikro-orm/postgresql";
import type { DecidePorts } from "../approvals/decide-approval.ts";
import type { Approval } from "../approvals/entities.ts";
import { DomainFailure, StateFailure } from "../core/failures.ts";
import type { JsonObject } from "../core/json.ts";
import { createMask } from "../secrets/mask.ts";
import type { Sealer } from "../secrets/seal.ts";
import { isTenantDisabled } from "../tenancy/disabled-tenants.ts";
import { type Objection, objectionTo } from "../tenancy/requester-objection.ts";
import { givenSecrets } from "./accept-request.ts";
import { requestPurpose, type SealedRequest } from "./ask-approval.ts";
import { planCredentials, secretNamesOf } from "./credentials.ts";
import type { DispatchPorts } from "./dispatch-live-action.ts";
import { type DispatchResult, failed, keepable, uncalled } from "./dispatch-result.ts";
import { completeDispatch, runDispatch, unshared } from "./dispatch-rows.ts";
import { LiveActionDispatch } from "./entities.ts";
import { costOf, readGovernance } from "./governance.ts";
import type { Registered, Registry } from "./registry.ts";
import { refuseBeyondQuota } from "./reserve-usage.ts";
import { missingCredentials } from "./simulate-dispatch.ts";

export interface DecidedPorts extends DispatchPorts {
  /** A fork of its own for each call. */
  readonly em: () => EntityManager;
  /** When whoever is behind a dispatch asked for it: who started the run that dispatched it, say. Runs are in a lower room. */
  readonly askedAt: (em: EntityManager, dispatch: LiveActionDispatch) => Promise<Date | undefined>;
}

/**
 * How a decision reaches the live action that waits for it. With a yes, the dispatch runs from the transaction of the decision on, on the
 * node that took it: should that die before it has called, the dispatch ends as one whose effect is unknown. It is never called twice.
 */
export function tellingDispatches(ports: DecidedPorts): DecidePorts {
  // By `performance.now()`: from before the dispatch was written to run.
  const decidedAt = new WeakMap<Approval, number>();
  return {
    async tellDecision(em, approval) {
      decidedAt.set(approval, performance.now());
      const dispatch = await findOf(em, approval);
      if (!dispatch) return;
      if (approval.status === "APPROVED") await approve(em, ports, dispatch);
      else await completeDispatch(em, dispatch, rejected(approval));
    },
    async onDecided(approval) {
      if (approval.dispatchId == null) return;
      ports.news.tellTenant(approval.tenantId);
      try {
        const dispatch = await findOf(ports.em(), approval);
        const since = decidedAt.get(approval) ?? Number.NEGATIVE_INFINITY;
        if (dispatch?.state === "RUNNING") await beginOrFail(ports, dispatch, since);
      } catch (error) {
        const message = (error as Error).message;
        ports.log.warn({ dispatchId: approval.dispatchId, message }, "live_action.approved_not_begun");
      }
    },
  };
}

/** What can't be opened calls nobody, and says so. Nor is anybody called where the tenant was disabled since the decision. */
async function beginOrFail(ports: DecidedPorts, dispatch: LiveActionDispatch, since: number): Promise<void> {
  try {
    if (await isTenantDisabled(ports.em(), dispatch.tenantId)) {
      throw new StateFailure("tenant_disabled", "The tenant is disabled, so nobody was contacted.");
    }
    await begin(ports, dispatch, since);
  } catch (error) {
    if (!(error instanceof DomainFailure)) throw error;
    await completeDispatch(ports.em(), dispatch, uncalled(error.code, error.message, { message: error.message }));
    ports.news.tellTenant(dispatch.tenantId);
  }
}

async function findOf(em: EntityManager, { tenantId, dispatchId }: Approval): Promise<LiveActionDispatch | null> {
  if (dispatchId == null) return null;
  return em.findOne(LiveActionDispatch, { id: dispatchId, tenantId }, unshared);
}

function registeredFor(registry: Registry, { vendorId, capability }: LiveActionDispatch): Registered | undefined {
  return vendorId == null ? undefined : registry.find(vendorId, capability);
}

/** In the transaction of the decision. */
async function approve(em: EntityManager, ports: DecidedPorts, dispatch: LiveActionDispatch): Promise<void> {
  const adapter = registeredFor(ports.registry, dispatch)?.adapter;
  if (!adapter) {
    await completeDispatch(em, dispatch, gone(dispatch));
    return;
  }
  const { tenantId } = dispatch;
  const objection = await objectionTo(em, {
    ...{ tenantId, requesterId: dispatch.actorId, permission: "live-action:dispatch" },
    askedAt: () => ports.askedAt(em, dispatch),
  });
  if (objection) {
    await completeDispatch(em, dispatch, objected(objection, dispatch));
    return;
  }
  const { capability, vendorId, timeoutMs } = adapter;
  const { policies } = await readGovernance(em, { tenantId, capability, secretNames: [] });
  const cost = costOf(policies, adapter);
  const refusal = await refuseBeyondQuota(em, tenantId, { vendorId, capability, cost });
  if (refusal) await completeDispatch(em, dispatch, refusal);
  else await runDispatch(em, dispatch, { cost, timeoutMs });
}

/** The call goes on by itself; who decided does not wait for it. */
async function begin(ports: DecidedPorts, dispatch: LiveActionDispatch, since: number): Promise<void> {
  const { tenantId, rollbackOfId } = dispatch;
  const adapter = registeredFor(ports.registry, dispatch)?.adapter;
  if (!adapter) return;
  const request = await openRequest(ports.sealer, dispatch);
  const given = new Map(request.given);
  const { stored } = await readGovernance(ports.em(), {
    tenantId,
    capability: adapter.capability,
    secretNames: secretNamesOf(adapter, given),
  });
  const credentials = planCredentials(adapter, { given, stored, mayRedirect: request.mayRedirect });
  const { target, params } = request;
  const secrets = givenSecrets(ports.registry, { given, params });
  if (credentials.missing.length > 0) {
    const asked = { requestId: dispatch.requestId, target, params };
    const result = await missingCredentials(adapter, asked, { ...credentials, isUndoing: rollbackOfId != null });
    await completeDispatch(ports.em(), dispatch, keepable(result, createMask(secrets)));
    ports.news.tellTenant(tenantId);
    return;
  }
  const undo = rollbackOfId == null ? undefined : await detailsOf(ports.em(), { tenantId, id: rollbackOfId });
  void ports.performer
    .perform({ dispatch, adapter, target, params, secrets, credentials, undo, since })
    .catch((error: Error) => ports.log.warn({ id: dispatch.id, message: error.message }, "live_action.lost"));
}

/** What was asked, exactly as it was asked. */
async function openRequest(sealer: Sealer, dispatch: LiveActionDispatch): Promise<SealedRequest> {
  const { id, tenantId, target, params, sealedCredentials } = dispatch;
  if (sealedCredentials == null) return { target, params, given: [], mayRedirect: false };
  return JSON.parse(await sealer.open(sealedCredentials, requestPurpose(tenantId, id))) as SealedRequest;
}

/** The details of what is to be undone. */
async function detailsOf(
  em: EntityManager,
  where: { readonly tenantId: string; readonly id: string },
): Promise<JsonObject> {
  const { details } = await em.findOneOrFail(LiveActionDispatch, where, unshared);
  return (details ?? {}) as JsonObject;
}

function rejected({ decidedByName, comment }: Approval): DispatchResult {
  const by = decidedByName ?? "somebody";
  const summary = `${by} rejected it, so nobody was contacted.`;
  return failed("approval_rejected", summary, { message: summary, decided_by: by, comment: comment ?? null });
}

/** Who was stolen from, or has lost the role, leaves nothing behind that is carried out. */
function objected(objection: Objection, { actorKind, actorName }: LiveActionDispatch): DispatchResult {
  const who = actorKind === "TOKEN" ? `The token ${actorName}, which asked for it,` : `Who asked for it, ${actorName},`;
  const why = objection === "requester_revoked" ? "was revoked meanwhile" : "may not dispatch live actions any more";
  const summary = `${who} ${why}, so nobody was contacted.`;
  return failed(objection, summary, { message: summary });
}

function gone({ vendorId, capability }: LiveActionDispatch): DispatchResult {
  const summary = `Vendor ${vendorId} has no adapter for ${capability} any more.`;
  return failed("executor_not_found", summary, { message: summary });
}
