import type { Approver } from "../approvals/approver.ts";
import { newId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { createOneByOne } from "../core/one-by-one.ts";
import { createMask } from "../secrets/mask.ts";
import type { Sealer } from "../secrets/seal.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { type AcceptedRequest, acceptRequest, type LiveActionInput } from "./accept-request.ts";
import { insertWaiting, requestPurpose, sealable } from "./ask-approval.ts";
import { beginAsSaid } from "./begin-as-said.ts";
import { chooseVendor } from "./choose-vendor.ts";
import { type CredentialPlan, planCredentials, plannedSecretNames, secretNamesOf } from "./credentials.ts";
import { type DispatchResult, keepable } from "./dispatch-result.ts";
import { insertDispatch, type NewDispatch, type Written } from "./dispatch-rows.ts";
import type { Begun, DispatchStore } from "./dispatch-store.ts";
import type { DispatchWatch } from "./dispatch-watch.ts";
import type { LiveActionDispatch } from "./entities.ts";
import { approversOf, costOf, type Governance, type GovernanceQuestion } from "./governance.ts";
import { answerKnown } from "./known-dispatch.ts";
import type { Performer, PerformerPorts } from "./performer.ts";
import type { Registered, Registry } from "./registry.ts";
import { isBounded, refuseBeyondQuota } from "./reserve-usage.ts";
import { dryRun, missingCredentials, problemOf, requestWarnings } from "./simulate-dispatch.ts";

export interface DispatchPorts {
  readonly registry: Registry;
  readonly performer: Performer;
  readonly store: DispatchStore;
  readonly sealer: Sealer;
  readonly news: PerformerPorts["news"];
  readonly watch: DispatchWatch;
  readonly log: Log;
}

/** What is to be done about a request. */
type Decision =
  | { readonly what: "answer"; readonly vendorId: string | undefined; readonly result: DispatchResult }
  | { readonly what: "call"; readonly call: Call }
  | { readonly what: "ask"; readonly call: Call; readonly approvers: readonly Approver[] };

/** A call that nothing speaks against but, it may be, its cost. */
export interface Call {
  readonly registered: Registered;
  readonly credentials: CredentialPlan;
  readonly cost: number;
  readonly isBounded: boolean;
}

/**
 * Dispatches a live action, and answers when it has ended or waits for people. Its row is durable before the vendor is called, and so is its
 * result before this answers. The same request again, now or while the first is under way, answers what the first one does, and calls nobody.
 * @param mode DRY_RUN contacts nobody and reads no credential.
 * @throws ValidationFailure with every problem at once; ConflictFailure `request_conflict`. All that goes wrong from then on is a result.
 */
export async function dispatchLiveAction(
  ctx: OperationContext,
  ports: DispatchPorts,
  input: LiveActionInput,
  mode: LiveActionDispatch["mode"] = input.dryRun === true ? "DRY_RUN" : "LIVE",
): Promise<LiveActionDispatch> {
  const request = acceptRequest(ports.registry, input);
  const operation = mode === "DRY_RUN" && input.dryRun !== true ? "dryRunLiveAction" : "dispatchLiveAction";
  const { decision, ...begun } = await decideAndBegin(ctx, ports, { operation, request, mode });
  const { dispatch, sealedSecrets, since } = begun;
  if (!dispatch) return answerKnown(ctx, ports, { ...request, mode });
  ports.news.tellTenant(ctx.tenantId);
  if (decision.what === "call" && dispatch.state === "RUNNING") {
    const { registered, credentials } = decision.call;
    const { target, params, secrets } = request;
    const { adapter } = registered;
    const { timeoutMs } = input;
    return ports.performer.perform({
      dispatch,
      adapter,
      target,
      params,
      secrets,
      credentials,
      sealedSecrets,
      timeoutMs,
      since,
    });
  }
  logAnswer(ports.log, dispatch);
  return dispatch;
}

async function decideAndBegin(ctx: OperationContext, ports: DispatchPorts, beginning: Beginning) {
  const { registry, store } = ports;
  const { request, mode } = beginning;
  const question = questionOf(ctx, registry, request);
  const circumstances = { mode, mayRedirect: mayRedirect(ctx) };
  return beginAsSaid(store, question, async (governance, expected) => {
    const decision = await decide(registry, request, { ...circumstances, governance });
    return { ...(await begin(ctx, ports, { ...beginning, decision, expected })), decision };
  });
}

/** Who may put another address into the credential store may as well send what is stored to one. */
export function mayRedirect({ permissions }: OperationContext): boolean {
  return permissions.has("secret:write");
}

function questionOf(
  { tenantId }: OperationContext,
  registry: Registry,
  { capability, given }: AcceptedRequest,
): GovernanceQuestion {
  const adapters = registry.vendorsOf(capability).flatMap((id) => registry.find(id, capability)?.adapter ?? []);
  const secretNames = [...new Set(adapters.flatMap((adapter) => secretNamesOf(adapter, given)))];
  return { tenantId, capability, secretNames };
}

interface Circumstances {
  readonly governance: Governance;
  readonly mode: LiveActionDispatch["mode"];
  readonly mayRedirect: boolean;
}

async function decide(registry: Registry, request: AcceptedRequest, circumstances: Circumstances): Promise<Decision> {
  const { governance, mode } = circumstances;
  const { policies, stored } = governance;
  const choice = chooseVendor(registry, request, governance);
  if ("refusal" in choice) return { what: "answer", vendorId: choice.vendorId, result: choice.refusal };
  const { vendorId, registered } = choice;
  const { adapter } = registered;
  const answer = (result: DispatchResult): Decision => ({ what: "answer", vendorId, result });
  const problem = problemOf(adapter, request);
  if (problem) return answer(problem);
  if (mode === "DRY_RUN") return answer(await dryRun(adapter, request));
  const search = { given: request.given, stored, mayRedirect: circumstances.mayRedirect };
  const credentials = planCredentials(adapter, search);
  if (credentials.missing.length > 0)
    return answer(await missingCredentials(adapter, request, { ...credentials, isUndoing: false }));
  const cost = costOf(policies, adapter);
  const call = { registered, credentials, cost, isBounded: isBounded(policies, adapter) };
  const approvers = approversOf(policies, adapter);
  return approvers ? { what: "ask", call, approvers } : { what: "call", call };
}

interface Beginning extends Pick<NewDispatch, "operation" | "mode"> {
  readonly request: AcceptedRequest;
}

interface Decided extends Beginning, Pick<NewDispatch, "expected"> {
  readonly decision: Decision;
}

/** Writes the dispatch down. */
async function begin(
  { em, tenantId, actor, ...ctx }: OperationContext,
  { sealer, store }: DispatchPorts,
  { operation, request, decision, mode, expected }: Decided,
): Promise<Begun> {
  const { requestId, capability, caseId, requestedBy, inputHash, shown } = request;
  const id = newId();
  const givenCredentials = shown.credentials;
  const asked = {
    operation,
    requestId,
    capability,
    caseId,
    requestedBy,
    inputHash,
    target: shown.target,
    givenCredentials,
  };
  if (decision.what === "answer") {
    // Params are kept for people who look at what was done; where no adapter knows which of them are credentials, they are not.
    const params = decision.result.error === "executor_not_found" ? {} : shown.params;
    const warnings = [...requestWarnings(capability), ...decision.result.warnings];
    const result = keepable({ ...decision.result, warnings }, createMask(request.secrets));
    const state = { name: "COMPLETED", result } as const;
    const { vendorId } = decision;
    return store.insert({ ...asked, id, tenantId, actor, mode, params, vendorId, cost: 0, state, expected });
  }
  const { registered, credentials, cost, isBounded } = decision.call;
  const { adapter } = registered;
  const row = { ...asked, id, tenantId, actor, mode, params: shown.params, vendorId: adapter.vendorId };
  if (decision.what === "ask") {
    const text = sealable(request, mayRedirect({ em, tenantId, actor, ...ctx }));
    const sealed = await sealer.seal(text, requestPurpose(tenantId, id));
    const state = { name: "AWAITING_APPROVAL", approvalId: newId(), sealed } as const;
    const { approvers } = decision;
    return begunAlone(insertWaiting(em, { ...row, cost: 0, state, expected }, { adapter, approvers }));
  }
  const state = { name: "RUNNING", timeoutMs: adapter.timeoutMs } as const;
  const secretNames = plannedSecretNames(credentials);
  const running: NewDispatch = { ...row, cost, state, expected, secretNames };
  return isBounded ? insertWithinQuota({ em, adapter }, running) : store.insert(running);
}

/** What was written in a transaction of its own. */
export async function begunAlone(work: Promise<Written>): Promise<Begun> {
  const since = performance.now();
  return { ...(await work), since };
}

// All of them lock the policy: they would wait for each other with a connection in each one's hand, and leave none to other tenants.
const oneByOne = createOneByOne();

/**
 * The same where the tenant bounds calls: counted, or refused, in the transaction that writes the dispatch down. What it expects is looked at behind
 * the lock: while others hold the policy, they may have changed more of it than its bounds.
 */
export function insertWithinQuota(
  { em, adapter }: { readonly em: OperationContext["em"]; readonly adapter: Registered["adapter"] },
  running: NewDispatch,
): Promise<Begun> {
  const { vendorId, capability } = adapter;
  const reserve = async (inner: OperationContext["em"]) => {
    const refusal = await refuseBeyondQuota(inner, running.tenantId, { vendorId, capability, cost: running.cost });
    if (!refusal) return insertDispatch(inner, running);
    const result = { ...refusal, warnings: requestWarnings(running.capability) };
    return insertDispatch(inner, { ...running, cost: 0, state: { name: "COMPLETED", result } });
  };
  return oneByOne(`${running.tenantId} ${capability}`, () => begunAlone(em.transactional(reserve)));
}

function logAnswer(
  log: Log,
  { requestId, vendorId, capability, mode, state, status, error }: LiveActionDispatch,
): void {
  const outcome = { state, status, error };
  log.info({ requestId, vendorId, capability, dryRun: mode === "DRY_RUN", ...outcome }, "live_action.answered");
}
