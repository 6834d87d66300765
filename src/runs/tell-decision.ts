import type { EntityManager } from "@mikro-orm/postgresql";
import type { DecidePorts } from "../approvals/decide-approval.ts";
import type { Approval } from "../approvals/entities.ts";
import type { Log } from "../core/log.ts";
import { approvalAskedAt } from "./asked-at.ts";
import type { Engine } from "./engine.ts";
import type { Hub } from "./hub.ts";
import { signalRun, wakeRun } from "./signal-run.ts";

interface DecisionPorts {
  readonly em: () => EntityManager;
  readonly engine: Pick<Engine, "hint">;
  readonly hub: Pick<Hub, "tellTenant">;
  readonly log: Log;
}

/** How a decision reaches the run that waits for it, and those who watch. */
export function tellingRuns({ em, engine, hub, log }: DecisionPorts): DecidePorts {
  return {
    tellDecision,
    askedAt: approvalAskedAt,
    async onDecided({ tenantId, runId }) {
      hub.tellTenant(tenantId);
      if (runId == null) return;
      try {
        await wakeRun(em(), engine, runId);
      } catch (error) {
        log.warn({ runId, message: (error as Error).message }, "approval.run_not_woken");
      }
    },
  };
}

async function tellDecision(em: EntityManager, approval: Approval): Promise<void> {
  const { id, tenantId, runId, stepId, status, decidedByName, comment } = approval;
  if (runId == null) return;
  const decision = { approvalId: id, stepId: stepId ?? null, status };
  const body = { ...decision, by: decidedByName ?? null, comment: comment ?? null };
  await signalRun(em, { tenantId, runId, type: "APPROVAL", body });
}
