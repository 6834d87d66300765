import type { EntityManager } from "@mikro-orm/postgresql";
import type { Engine } from "./engine.ts";
import { RunSignal } from "./entities.ts";

/** Says something to a run, in the caller's transaction. The node that has it hears of it once that is committed. */
export async function signalRun(
  em: EntityManager,
  signal: Pick<RunSignal, "tenantId" | "runId" | "type" | "body">,
): Promise<void> {
  await em.persist(em.create(RunSignal, signal)).flush();
  await em.execute("select pg_notify('riposte_signal', ?)", [signal.runId]);
}

/**
 * After the commit: a run that sleeps is due at once, and one that is on this node hears of it now. Not in the transaction, which would
 * hold the run's row while it may wait for a flush of the journal that needs it. What this fails to do, the next sweep of any node does.
 */
export async function wakeRun(em: EntityManager, engine: Pick<Engine, "hint">, runId: string): Promise<void> {
  await em.execute("update run set wake_at = now() where id = ? and wake_at > now()", [runId]);
  await engine.hint([runId]);
}
