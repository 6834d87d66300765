import { Approval } from "../../src/approvals/entities.ts";
import { newId } from "../../src/core/ids.ts";
import type { Orm } from "../../src/database/orm.ts";

/** A request straight in the table, as the journal writes one: pending, for people with the role security_lead. */
export async function insertApproval(
  orm: Orm,
  fields: Partial<Approval> & Pick<Approval, "tenantId">,
): Promise<Approval> {
  const em = orm.em.fork();
  const approval = em.create(Approval, {
    status: "PENDING",
    approvers: [{ role: "security_lead" }],
    message: "Isolate the host?",
    runId: newId(),
    stepId: "ask",
    ...fields,
  });
  await em.persist(approval).flush();
  return approval;
}
