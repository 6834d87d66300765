import type { RunEvent } from "./events.ts";

/** Hears what became durable. Without events it is a hint: something of this run may be new. */
export type RunListener = (events: readonly RunEvent[] | undefined) => void;

/**
 * Where committed events meet their subscribers, within this process. What happens on other nodes comes as hints; a listener that is not
 * told of something reads it from the journal a little later. Nothing is buffered here.
 */
export class Hub {
  readonly #runs = new Map<string, Set<RunListener>>();
  readonly #tenants = new Map<string, Set<() => void>>();

  /** @returns A function that ends it. */
  onRun(runId: string, listener: RunListener): () => void {
    return add(this.#runs, runId, listener);
  }

  /** Hears that the head of some run of the tenant, or one of its approvals, may have changed. */
  onTenant(tenantId: string, listener: () => void): () => void {
    return add(this.#tenants, tenantId, listener);
  }

  /** Committed on this node. */
  publish(run: { readonly id: string; readonly tenantId: string }, events: readonly RunEvent[]): void {
    for (const listener of this.#runs.get(run.id) ?? []) listener(events);
    if (this.#tenants.has(run.tenantId) && events.some(concernsTenant)) this.tellTenant(run.tenantId);
  }

  /** Committed on this node, and no event of a run: a decision. */
  tellTenant(tenantId: string): void {
    for (const listener of this.#tenants.get(tenantId) ?? []) listener();
  }

  /** Committed on another node: ids of runs parted by blanks, or `*` for more than fit. */
  hint(payload: string): void {
    const ids = payload === "*" ? this.#runs.keys() : payload.split(" ");
    for (const id of ids) for (const listener of this.#runs.get(id) ?? []) listener(undefined);
    for (const listeners of this.#tenants.values()) for (const listener of listeners) listener();
  }
}

/** True where a run's head changes; and where an approval does: it is requested when its step waits, and closed when that is ended. */
function concernsTenant(event: RunEvent): boolean {
  if (event.type !== "STEP_STATUS") return event.type === "RUN_STATUS";
  return event.approval !== undefined || event.status === "CANCELLED" || event.status === "TIMED_OUT";
}

function add<Listener>(listeners: Map<string, Set<Listener>>, key: string, listener: Listener): () => void {
  const known = listeners.get(key) ?? new Set();
  listeners.set(key, known.add(listener));
  return () => {
    known.delete(listener);
    if (known.size === 0 && listeners.get(key) === known) listeners.delete(key);
  };
}
