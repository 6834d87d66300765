import { LockMode } from "@mikro-orm/core";
import type { Approver } from "../approvals/approver.ts";
import { recordAudit } from "../audit/record-audit.ts";
import { type Issue, ValidationFailure } from "../core/failures.ts";
import { isStorableText, type JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { LiveActionPolicy } from "./entities.ts";
import { pairIssues } from "./require-pair.ts";

export interface ApproverInput {
  readonly role?: string | null | undefined;
  readonly user?: string | null | undefined;
}

/** What is left out stays as it is; null takes a bound or a cost away. */
export interface PolicyInput {
  readonly capability: string;
  /** Null: of all vendors. */
  readonly vendorId?: string | null | undefined;
  readonly requireApproval?: boolean | null | undefined;
  /** Any one of them decides. */
  readonly approvers?: readonly ApproverInput[] | null | undefined;
  /** Whole minutes. */
  readonly approvalTimeoutMinutes?: number | null | undefined;
  readonly callsPerDay?: number | null | undefined;
  readonly costPerCall?: number | null | undefined;
  readonly budgetPerMonth?: number | null | undefined;
}

/** Who decides where a policy names nobody. */
const defaultApprovers: readonly Approver[] = [{ role: "admin" }];

/**
 * Sets what the tenant allows of a capability, with one vendor or with all. Policies of one vendor and of all hold beside each other.
 * Setting what is set changes nothing.
 * @throws ValidationFailure with every problem at once.
 */
export async function setLiveActionPolicy(ctx: OperationContext, input: PolicyInput): Promise<LiveActionPolicy> {
  const { tenantId } = ctx;
  const { capability, vendorId = null } = input;
  const issues = [
    ...pairIssues({ capability, vendorId }),
    ...minutesIssues(input.approvalTimeoutMinutes),
    ...numberIssues("callsPerDay", input.callsPerDay),
    ...numberIssues("costPerCall", input.costPerCall),
    ...numberIssues("budgetPerMonth", input.budgetPerMonth),
  ];
  const approvers = readApprovers(input.approvers, issues);
  if (issues.length > 0) throw new ValidationFailure(issues);
  return ctx.em.transactional(async (em) => {
    // Two that make the same policy at once: the second waits for the first, and changes it.
    await em.execute("select pg_advisory_xact_lock(hashtextextended(?, 0))", [`live_action_policy ${tenantId}`]);
    const where = { tenantId, capability, vendorId };
    const known = await em.findOne(LiveActionPolicy, where, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!known && (await em.count(LiveActionPolicy, { tenantId })) >= limits.policiesPerTenantMax) throw tooMany();
    const policy =
      known ?? em.create(LiveActionPolicy, { ...where, approvers: defaultApprovers, requireApproval: false });
    const before = known ? JSON.stringify(shownPolicy(known)) : undefined;
    const { requireApproval, approvalTimeoutMinutes, callsPerDay, costPerCall, budgetPerMonth } = input;
    policy.requireApproval = requireApproval ?? policy.requireApproval;
    if (approvers.length > 0) policy.approvers = approvers;
    if (approvalTimeoutMinutes !== undefined) policy.approvalTimeoutMinutes = approvalTimeoutMinutes;
    if (callsPerDay !== undefined) policy.callsPerDay = callsPerDay;
    if (costPerCall !== undefined) policy.costPerCall = costPerCall;
    if (budgetPerMonth !== undefined) policy.budgetPerMonth = budgetPerMonth;
    const detail = shownPolicy(policy);
    if (JSON.stringify(detail) === before) return policy;
    await em.persist(policy).flush();
    await recordAudit(em, ctx, { operation: "setLiveActionPolicy", subject: `capability:${capability}`, detail });
    return policy;
  });
}

/** What a policy says, for the audit trail. */
function shownPolicy(policy: LiveActionPolicy): JsonObject {
  const { vendorId = null, requireApproval, approvalTimeoutMinutes = null } = policy;
  const { callsPerDay = null, costPerCall = null, budgetPerMonth = null } = policy;
  const approvers = policy.approvers.map((approver) => ({ ...approver }));
  return { vendorId, requireApproval, approvers, approvalTimeoutMinutes, callsPerDay, costPerCall, budgetPerMonth };
}

/** The tenant's policies, by capability, of all vendors first. */
export function listPolicies({ em, tenantId }: OperationContext): Promise<LiveActionPolicy[]> {
  const orderBy = { capability: "asc", vendorId: "asc nulls first" } as const;
  return em.find(LiveActionPolicy, { tenantId }, { orderBy, disableIdentityMap: true });
}

/** Who may decide, each by a role or by a name. */
function readApprovers(approvers: readonly ApproverInput[] | null | undefined, issues: Issue[]): readonly Approver[] {
  if (approvers == null) return [];
  if (approvers.length === 0 || approvers.length > limits.approversMax) {
    const message = `Name 1 to ${limits.approversMax} approvers, or leave them out.`;
    issues.push({ path: "$.approvers", code: "out_of_range", message });
  }
  return approvers.flatMap(({ role, user }, index): Approver[] => {
    if (role != null && user == null && isName(role)) return [{ role }];
    if (user != null && role == null && isName(user)) return [{ user }];
    const message = `An approver is a role or a user: one of both, of at most ${limits.idLengthMax} characters.`;
    issues.push({ path: `$.approvers[${index}]`, code: "invalid_approver", message });
    return [];
  });
}

function isName(text: string): boolean {
  return text.trim() !== "" && text.length <= limits.idLengthMax && isStorableText(text);
}

function minutesIssues(minutes: number | null | undefined): Issue[] {
  if (minutes == null || (Number.isInteger(minutes) && minutes >= 1 && minutes <= limits.approvalMinutesMax)) return [];
  const message = `An approvalTimeoutMinutes is a whole number from 1 to ${limits.approvalMinutesMax}.`;
  return [{ path: "$.approvalTimeoutMinutes", code: "out_of_range", message }];
}

function numberIssues(name: string, value: number | null | undefined): Issue[] {
  if (value == null || (value >= 0 && value <= limits.policyAmountMax)) return [];
  const message = `A ${name} is between 0 and ${limits.policyAmountMax}.`;
  return [{ path: `$.${name}`, code: "out_of_range", message }];
}

function tooMany(): ValidationFailure {
  const message = `A tenant has at most ${limits.policiesPerTenantMax} policies.`;
  return new ValidationFailure([{ path: "$.capability", code: "too_many", message }]);
}
