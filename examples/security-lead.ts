import {
  type ApprovalDecision,
  CreateApiTokenDocument,
  DecideApprovalDocument,
  PendingApprovalsDocument,
  RevokeApiTokenDocument,
} from "../client/generated/graphql.ts";
import { type Connection, connect } from "./server-connection.ts";
import { bold, ExampleError, say } from "./terminal.ts";

/** How long the token lives if the example can't revoke it: it was killed, say. */
const tokenMinutes = 30;

/** Somebody else than who emits the events: nobody approves what they asked for themselves. */
export interface SecurityLead {
  /** Shows what a run asks, and decides it. Nothing happens where it asks nothing. */
  decide(runId: string, decision: ApprovalDecision, comment: string): Promise<void>;
  /** Takes the token away. */
  leave(): Promise<void>;
}

/** A token with the role that the playbook's approval names, and a connection as whom it belongs to. */
export async function inviteSecurityLead(connection: Connection): Promise<SecurityLead> {
  // Two examples at once are two people.
  const name = `security lead ${Date.now().toString(36)}`;
  const expiresAt = new Date(Date.now() + tokenMinutes * 60_000).toISOString();
  const { createApiToken: created } = await connection.request(CreateApiTokenDocument, {
    input: { name, roles: ["viewer", "security_lead"], expiresAt },
  });
  if (created.__typename !== "CreateApiTokenPayload") throw new ExampleError(created.message);
  const { token, apiToken } = created;
  const own = connect({ RIPOSTE_URL: connection.url, RIPOSTE_TOKEN: token });
  return {
    decide: (runId, decision, comment) => decide(own, { runId, decision, comment }),
    async leave() {
      await own.close();
      const { revokeApiToken: revoked } = await connection.request(RevokeApiTokenDocument, {
        input: { id: apiToken.id },
      });
      if (revoked.__typename !== "RevokeApiTokenPayload") throw new ExampleError(revoked.message);
    },
  };
}

interface Decision {
  readonly runId: string;
  readonly decision: ApprovalDecision;
  readonly comment: string;
}

async function decide(connection: Connection, { runId, decision, comment }: Decision): Promise<void> {
  const { approvals } = await connection.request(PendingApprovalsDocument, { first: 50 });
  const asked = approvals.edges.map(({ node }) => node).find(({ run }) => run?.id === runId);
  if (!asked) return;
  const whom = asked.approvers.map(({ role, user }) => role ?? user).join(" or ");
  say(`            ${bold("asked")} of ${whom}: ${asked.message ?? asked.stepId}. A yes lets happen:`);
  for (const line of effectLines(asked.effect)) say(`              ${line}`);
  const { decideApproval: result } = await connection.request(DecideApprovalDocument, {
    input: { id: asked.id, decision, comment },
  });
  if (result.__typename !== "DecideApprovalPayload") throw new ExampleError(result.message);
  const { status, decidedBy } = result.approval;
  say(`            ${bold(status.toLowerCase())} by ${decidedBy?.name}: “${comment}”`);
}

interface Effect {
  readonly steps?: readonly {
    readonly stepId: string;
    readonly action: string;
    readonly version?: string;
    readonly parameters?: unknown;
  }[];
}

function effectLines(effect: unknown): string[] {
  const { steps = [] } = (effect ?? {}) as Effect;
  return steps.map(({ stepId, action, version, parameters }) => {
    const given = parameters === undefined ? "" : ` ${JSON.stringify(parameters)}`;
    return `${stepId}: ${action}${version === undefined ? "" : `@${version}`}${given}`;
  });
}
