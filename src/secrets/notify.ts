import type { EntityManager } from "@mikro-orm/postgresql";

/** Tells every node, at the commit of this transaction, that what it remembers of the tenant's catalogue is old. */
export async function notifyCatalogue(em: EntityManager, tenantId: string): Promise<void> {
  await em.execute("select pg_notify('riposte_catalogue', ?)", [tenantId]);
}
