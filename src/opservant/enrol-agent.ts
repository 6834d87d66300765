import { UniqueConstraintViolationException } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { recordAudit } from "../audit/record-audit.ts";
import { NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { isStorableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { generateToken, hashToken } from "../tenancy/api-token.ts";
import { Agent } from "./entities.ts";

export interface EnrolAgentInput {
  /** The one-time token: the credential, since nobody has signed in. */
  readonly token: string;
  /** Of the agent's program. */
  readonly version?: string | null | undefined;
}

/**
 * Makes an agent of whoever holds an enrolment's token, once. A token that never was, has been used, is too old or of a disabled tenant is answered alike; it is
 * looked up by its hash, so that the time an answer takes tells nothing of it.
 * @returns The agent's id, and its own token: in this answer once and nowhere else.
 * @throws NotFoundFailure `enrolment_invalid`; StateFailure `name_taken`, where another agent took the name since; ValidationFailure.
 */
export async function enrolAgent(
  em: EntityManager,
  { token, version }: EnrolAgentInput,
): Promise<{ readonly agentId: string; readonly token: string }> {
  refuseVersion(version);
  const own = generateToken();
  try {
    const agentId = await em.transactional(async (inner) => {
      const [enrolment] = await inner.execute<{ tenant_id: string; name: string }[]>(useSql, [hashToken(token)]);
      if (!enrolment) throw invalid();
      const { tenant_id: tenantId, name } = enrolment;
      const agent = inner.create(Agent, { tenantId, name, hash: hashToken(own), version: version ?? null });
      await inner.persist(agent).flush();
      const actor = { kind: "AGENT", id: agent.id, name };
      const deed = {
        operation: "enrolAgent",
        subject: `agent:${agent.id}`,
        detail: { name, version: version ?? null },
      };
      await recordAudit(inner, { tenantId, actor }, deed);
      return agent.id;
    });
    return { agentId, token: own };
  } catch (error) {
    if (!(error instanceof UniqueConstraintViolationException)) throw error;
    throw new StateFailure("name_taken", "Another agent has taken this name since; make another enrolment.");
  }
}

const useSql = `update agent_enrolment set used_at = now() where hash = ? and used_at is null and expires_at > now()
  and not exists (select from tenant where id = tenant_id and disabled_at is not null)
returning tenant_id, name`;

function invalid(): NotFoundFailure {
  const message =
    "This enrolment token is not valid: it is unknown, used or too old. Make another with createAgentEnrolment.";
  return new NotFoundFailure(message, "enrolment_invalid");
}

function refuseVersion(version: string | null | undefined): void {
  if (version == null || (version.length <= limits.agentVersionLengthMax && isStorableText(version))) return;
  const message = `A version has at most ${limits.agentVersionLengthMax} characters.`;
  throw new ValidationFailure([{ path: "$.version", code: "invalid_version", message }]);
}
