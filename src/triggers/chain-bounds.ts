import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import type { Chain } from "../runs/chain.ts";
import type { TriggerEvent } from "../runs/entities.ts";
import { signalRun } from "../runs/signal-run.ts";

/** Class of the advisory locks that the runs of one chain are started under; the object is a hash of its root. */
const chainLockClass = 7_264_023;

/**
 * Takes an event of a chain for the rest of the transaction: nobody else dispatches it, and nobody else starts runs of its chain.
 * @returns When it was dispatched, where it has been; `taken` where another node is at it.
 */
export async function takeChained(
  em: EntityManager,
  { id, tenantId }: TriggerEvent,
  { rootId }: Chain,
): Promise<Date | "taken" | undefined> {
  const sql = `select extract(epoch from dispatched_at) * 1000 as ms from trigger_event where id = ? and tenant_id = ?
    for update skip locked`;
  const [row] = await em.execute<{ ms: string | null }[]>(sql, [id, tenantId]);
  if (!row) return "taken";
  if (row.ms !== null) return new Date(Math.round(Number(row.ms)));
  await em.execute("select pg_advisory_xact_lock(?, hashtext(?))", [chainLockClass, rootId]);
  return undefined;
}

/** The playbooks that an event has started already: whoever was at it died in the middle. */
export async function startedBy(em: EntityManager, { id, tenantId }: TriggerEvent): Promise<ReadonlySet<string>> {
  const sql = "select playbook_id as id from run where event_id = ? and tenant_id = ?";
  return new Set((await em.execute<{ id: string }[]>(sql, [id, tenantId])).map((row) => row.id));
}

/** How many runs a chain may still have, by the run that it began with. */
export async function chainRoom(em: EntityManager, tenantId: string, rootId: string): Promise<number> {
  const sql = "select count(*)::int as n from run where chain is not null and chain->>'rootId' = ? and tenant_id = ?";
  const [row] = await em.execute<{ n: number }[]>(sql, [rootId, tenantId]);
  return Math.max(0, limits.chainRunsMax - (row?.n ?? 0));
}

/** Tells the run whose completion it was; one that has ended by then hears nothing more. */
export async function tellHeldBack(
  em: EntityManager,
  { runId, tenantId }: TriggerEvent,
  playbookKeys: readonly string[],
): Promise<void> {
  if (runId == null) return;
  const body = { code: "chain_held_back", message: heldBackMessage(playbookKeys, tooWide) };
  await signalRun(em, { tenantId, runId, type: "NOTICE", body });
}

export const tooWide = `the chain has led to ${limits.chainRunsMax} runs already, which is the most`;
export const tooDeep = `the chain is ${limits.chainDepthMax} completions deep already, which is the most`;
export const itsOwn = "the chain has been through there, and nothing starts itself";

/** What people read in the run about playbooks that its completion did not start. */
export function heldBackMessage(playbookKeys: readonly string[], why: string): string {
  const named = playbookKeys.slice(0, limits.heldBackNamesMax).join(", ");
  const more = playbookKeys.length - limits.heldBackNamesMax;
  return `Not started by this completion: ${named}${more > 0 ? ` and ${more} more` : ""}; ${why}.`;
}
