import type { EntityManager } from "@mikro-orm/postgresql";
import { notifyCatalogue } from "../secrets/notify.ts";
import type { Playbook } from "./entities.ts";
import { databaseNow, setSchedule } from "./schedule.ts";

/**
 * What follows from every change to a playbook, in its transaction: the schedule is as the playbook says, the tenant's change number is
 * raised, and at the commit every node is told. From here to the commit, no other playbook of the tenant can be changed.
 * @param playbook Under a lock.
 */
export async function playbookChanged(em: EntityManager, playbook: Playbook): Promise<void> {
  await em.flush();
  await setSchedule(em, playbook, await databaseNow(em));
  await em.execute(
    `insert into playbook_change (tenant_id, number) values (?, 1)
    on conflict (tenant_id) do update set number = playbook_change.number + 1`,
    [playbook.tenantId],
  );
  await notifyCatalogue(em, playbook.tenantId);
}

/** How often the tenant's playbooks have been changed. */
export async function playbookChangeNumber(em: EntityManager, tenantId: string): Promise<number> {
  const sql = "select number from playbook_change where tenant_id = ?";
  const [row] = await em.execute<{ number: string | number }[]>(sql, [tenantId]);
  return Number(row?.number ?? 0);
}
