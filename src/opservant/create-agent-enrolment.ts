import type { EntityManager } from "@mikro-orm/postgresql";
import { recordAudit } from "../audit/record-audit.ts";
import { ConflictFailure, type Issue, ValidationFailure } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import { generateToken, hashToken } from "../tenancy/api-token.ts";
import { nameIssues } from "../tenancy/names.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { Agent, AgentEnrolment } from "./entities.ts";

export interface AgentEnrolmentInput {
  /** What the agent will be called; no agent of the tenant that is not revoked has it. */
  readonly name: string;
  /** Within `limits.agentEnrolmentMsMax`; without it `limits.agentEnrolmentMsDefault` from now, by the database's clock. */
  readonly expiresAt?: Date | null | undefined;
}

export interface CreatedEnrolment {
  /** In this answer once and nowhere else. */
  readonly enrolmentToken: string;
  readonly expiresAt: Date;
}

/**
 * Makes what one agent may enrol with, once.
 * @throws ValidationFailure with every problem of the input; ConflictFailure `name_taken`, `too_many_agents`, `too_many_enrolments`.
 */
export async function createAgentEnrolment(
  ctx: OperationContext,
  { name, expiresAt }: AgentEnrolmentInput,
): Promise<CreatedEnrolment> {
  const enrolmentToken = generateToken();
  return ctx.em.transactional(async (em) => {
    // One at a time in a tenant, so that two at once can't take the last place.
    await em.execute("select 1 from tenant where id = ? for no key update", [ctx.tenantId]);
    const now = await databaseNow(em);
    const end = expiresAt ?? new Date(now.getTime() + limits.agentEnrolmentMsDefault);
    const issues = [...nameIssues(name), ...expiryIssues(end, now)];
    if (issues.length > 0) throw new ValidationFailure(issues);
    // What can't be used any more answers like what never was.
    await em.nativeDelete(AgentEnrolment, {
      tenantId: ctx.tenantId,
      $or: [{ usedAt: { $ne: null } }, { expiresAt: { $lte: now } }],
    });
    await refuseMore(em, ctx.tenantId, name);
    const enrolment = em.create(AgentEnrolment, {
      tenantId: ctx.tenantId,
      name,
      hash: hashToken(enrolmentToken),
      expiresAt: end,
    });
    em.persist(enrolment);
    const detail = { expiresAt: end.toISOString() };
    await recordAudit(em, ctx, { operation: "createAgentEnrolment", subject: `agent:${name}`, detail });
    return { enrolmentToken, expiresAt: end };
  });
}

function expiryIssues(end: Date, now: Date): Issue[] {
  const leftMs = end.getTime() - now.getTime();
  if (leftMs > 0 && leftMs <= limits.agentEnrolmentMsMax) return [];
  const days = limits.agentEnrolmentMsMax / 86_400_000;
  const message = `An enrolment ends in the future, and within ${days} days.`;
  return [{ path: "$.expiresAt", code: leftMs > 0 ? "too_late" : "not_in_the_future", message }];
}

async function refuseMore(em: EntityManager, tenantId: string, name: string): Promise<void> {
  const valid = { tenantId, revokedAt: null };
  if (await em.count(Agent, { ...valid, name })) {
    throw new ConflictFailure("name_taken", "An agent has this name; revoke it first, or choose another name.");
  }
  if ((await em.count(Agent, valid)) >= limits.agentsPerTenantMax) {
    const message = `A tenant has at most ${limits.agentsPerTenantMax} agents; revoke some first.`;
    throw new ConflictFailure("too_many_agents", message);
  }
  if ((await em.count(AgentEnrolment, { tenantId })) >= limits.agentEnrolmentsPerTenantMax) {
    const message = `A tenant has at most ${limits.agentEnrolmentsPerTenantMax} open enrolments; wait until some have ended.`;
    throw new ConflictFailure("too_many_enrolments", message);
  }
}

/** The cluster's time: the clocks of its nodes may differ. */
async function databaseNow(em: EntityManager): Promise<Date> {
  const [row] = await em.execute<{ ms: number }[]>("select extract(epoch from now())::float8 * 1000 as ms");
  return new Date(Number(row?.ms));
}
