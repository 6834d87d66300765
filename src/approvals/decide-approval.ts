import { LockMode, raw } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { recordAudit } from "../audit/record-audit.ts";
import {
  ForbiddenError,
  NotFoundFailure,
  StateFailure,
  TenantDisabledError,
  UnauthenticatedError,
} from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import { checkComment } from "../core/reason.ts";
import { Tenant } from "../tenancy/entities.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { type Objection, objectionTo } from "../tenancy/requester-objection.ts";
import { isRevokedCaller } from "../tenancy/revoked-token.ts";
import { approversText, mayDecide } from "./can-decide.ts";
import { Approval } from "./entities.ts";
import { unshared } from "./find-approval.ts";

export const approvalDecisions = ["APPROVE", "REJECT"] as const;

export interface DecideApprovalInput {
  readonly id: string;
  readonly decision: (typeof approvalDecisions)[number];
  readonly comment?: string | null | undefined;
}

/** What waits for decisions is in lower rooms. */
export interface DecidePorts {
  /** Hands the decision to what waits for it, in the transaction that makes it. */
  readonly tellDecision: (em: EntityManager, approval: Approval) => Promise<void>;
  /** When whoever is behind a run's request asked for the run, which may be long before the request was made; undefined where nobody knows. */
  readonly askedAt?: ((em: EntityManager, approval: Approval) => Promise<Date | undefined>) | undefined;
  /** The decision is durable; who waits for it need not be slow to hear of it. Never rejects. */
  readonly onDecided: (approval: Approval) => Promise<void>;
}

/**
 * Decides a request, once and for all: of two at once, the first to commit decides, and the other is refused. The same holds against the end
 * of its time and of its run.
 * @returns The request as decided.
 * @throws ValidationFailure for a comment that can't be kept; NotFoundFailure; StateFailure `approval_approved`, `approval_rejected`,
 * `approval_expired`, `approval_closed`, `requester_revoked` or `requester_lost_role`; ForbiddenError for who may not decide it, which says who may;
 * UnauthenticatedError for a token that was revoked a moment ago, TenantDisabledError for a tenant that was disabled.
 */
export async function decideApproval(
  ctx: OperationContext,
  ports: DecidePorts,
  { id, decision, comment }: DecideApprovalInput,
): Promise<Approval> {
  checkComment(comment);
  if (!isUuid(id)) throw noSuchApproval();
  const decided = await ctx.em.transactional(async (em) => {
    const where = { id, tenantId: ctx.tenantId };
    const found = await em.findOne(Approval, where, { ...unshared, lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!found) throw noSuchApproval();
    const now = await databaseTime(em);
    const tenant = await em.findOneOrFail(Tenant, { id: ctx.tenantId }, unshared);
    // A node takes a moment to hear of it.
    if (tenant.disabledAt != null) throw new TenantDisabledError();
    await refuseRevokedDecider(em, ctx);
    refuse(ctx, found, { now, tenant });
    if (decision === "APPROVE") await refuseForRequester(em, ports, found);
    const changedXid = raw("pg_current_xact_id()::text::bigint");
    await em.nativeUpdate(Approval, where, {
      status: decision === "APPROVE" ? "APPROVED" : "REJECTED",
      decidedAt: now,
      decidedByKind: ctx.actor.kind,
      decidedByName: ctx.actor.name,
      decidedById: ctx.actor.id ?? null,
      comment: comment ?? null,
      changedXid,
    });
    const approval = await em.findOneOrFail(Approval, where, unshared);
    const { runId = null, stepId = null, dispatchId = null } = approval;
    const detail = { decision, comment: comment ?? null, runId, stepId, dispatchId };
    await recordAudit(em, ctx, { operation: "decideApproval", subject: `approval:${id}`, detail });
    await ports.tellDecision(em, approval);
    return approval;
  });
  await ports.onDecided(decided);
  return decided;
}

interface Present {
  readonly now: Date;
  readonly tenant: Tenant;
}

function refuse(ctx: OperationContext, approval: Approval, { now, tenant }: Present): void {
  const answer = mayDecide(ctx, approval, tenant);
  // Who could not even read the request is not told what became of it.
  if (answer === "not_an_approver" && !ctx.permissions.has("approval:read")) throw notAnApprover(approval);
  refuseState(approval, now);
  if (answer === "not_an_approver") throw notAnApprover(approval);
  if (answer === "own_request") {
    throw new ForbiddenError(
      "You asked for this yourself, by starting its run, emitting its event or dispatching it, so another approver has to decide. The tenant's setting allowSelfApproval would permit it.",
    );
  }
}

/** Who is still believed in elsewhere decides nothing: a node takes a moment to hear that a token was revoked. */
async function refuseRevokedDecider(em: EntityManager, ctx: OperationContext): Promise<void> {
  if (await isRevokedCaller(em, ctx)) throw new UnauthenticatedError("The token is no longer valid.");
}

/**
 * A run of a stolen token is not let go on by a yes, nor one of somebody who might not start it any more. What a live action does then, it says
 * itself.
 */
async function refuseForRequester(em: EntityManager, ports: DecidePorts, approval: Approval): Promise<void> {
  const { tenantId, runId, requesterId } = approval;
  if (runId == null) return;
  const askedAt = async () => ports.askedAt?.(em, approval);
  const objection = await objectionTo(em, { tenantId, requesterId, permission: "run:execute", askedAt });
  if (objection) throw new StateFailure(objection, objections[objection]);
}

const objections: Readonly<Record<Objection, string>> = {
  requester_revoked:
    "The token that asked for this was revoked. Reject it, or cancel its run; somebody else can ask again.",
  requester_lost_role:
    "Who asked for this may not execute anything any more, by the roles of their latest token. Reject it, or cancel its run; somebody else can ask again.",
};

function refuseState({ status, expiresAt, decidedAt, decidedByName }: Approval, now: Date): void {
  const by = `${decidedByName ?? "somebody"} at ${decidedAt?.toISOString() ?? "an unknown time"}`;
  switch (status) {
    case "PENDING":
      if (expiresAt == null || expiresAt > now) return;
      throw expired(expiresAt);
    case "APPROVED":
      throw new StateFailure("approval_approved", `This was approved by ${by} already.`);
    case "REJECTED":
      throw new StateFailure("approval_rejected", `This was rejected by ${by} already.`);
    case "EXPIRED":
      throw expired(expiresAt);
    case "CLOSED":
      throw new StateFailure(
        "approval_closed",
        "Nobody has to decide this any more: its live action was withdrawn, or its step was ended with its run, or with the steps beside it.",
      );
    default:
      status satisfies never;
  }
}

function expired(at: Date | null | undefined): StateFailure {
  const when = at == null ? "" : ` The time for it was over at ${at.toISOString()}.`;
  return new StateFailure("approval_expired", `Nobody decided this in time.${when}`);
}

function notAnApprover({ approvers }: Approval): ForbiddenError {
  return new ForbiddenError(`You may not decide this; who may: ${approversText(approvers)}.`);
}

function noSuchApproval(): NotFoundFailure {
  return new NotFoundFailure("There is no such request for approval.");
}

/** The database's clock, which is the same for every node. Not `now()`: that is when the transaction began, before it waited for the row. */
async function databaseTime(em: EntityManager): Promise<Date> {
  const sql = "select extract(epoch from clock_timestamp()) * 1000 as ms";
  const rows = await em.execute<{ ms: string }[]>(sql);
  return new Date(Math.floor(Number(rows[0]?.ms)));
}
