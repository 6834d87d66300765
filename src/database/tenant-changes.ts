import { setTimeout as sleep } from "node:timers/promises";
import type { EntityClass, FilterQuery, FindOptions } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";

/** A row that keeps which transaction changed it last. Its table has an index on `(tenant_id, changed_xid)`. */
export interface ChangingRow {
  readonly id: string;
  readonly tenantId: string;
  readonly changedXid: number;
}

/** A row as its latest change left it. */
export interface Change<Row> {
  readonly row: Row;
  /** All that this subscriber has not seen has a transaction not below it. */
  readonly xid: number;
}

/** Where a stream hears that it is worth looking. It also looks from time to time by itself. */
export interface TenantNews {
  /** @returns A function that ends it. */
  onTenant(tenantId: string, listener: () => void): () => void;
}

export interface ChangesPorts {
  readonly news: TenantNews;
  /** A fork of its own for each look. */
  readonly em: () => EntityManager;
  readonly signal: AbortSignal;
}

export interface ChangesSubscription<Row extends ChangingRow> {
  readonly entity: EntityClass<Row>;
  readonly tenantId: string;
  /** What narrows the stream besides the tenant; a row never begins or ceases to fit it. */
  readonly where?: FilterQuery<Row>;
  /** What is read besides the row's own columns. */
  readonly populate?: readonly string[];
  /** From a cursor: everything that changed in this transaction or later. Without it, what changes from now on. */
  readonly after: number | undefined;
}

/**
 * The latest state of every row of the tenant that changed, at least once. Reads are by the transaction that changed a row last:
 * whatever was not yet visible to a snapshot has one that is not below the snapshot's oldest open transaction, so nothing slips between two
 * reads, in whatever order transactions commit.
 */
export async function* streamChanges<Row extends ChangingRow>(
  ports: ChangesPorts,
  subscription: ChangesSubscription<Row>,
): AsyncGenerator<Change<Row>> {
  let isNews = true;
  let wakeUp = () => {};
  const tell = () => {
    isNews = true;
    wakeUp();
  };
  const leave = ports.news.onTenant(subscription.tenantId, tell);
  ports.signal.addEventListener("abort", tell);
  try {
    let seen =
      subscription.after === undefined ? await presentState(ports, subscription) : noneSeen(subscription.after);
    while (!ports.signal.aborted) {
      isNews = false;
      // Asked before reading: what commits in between is read now and again, never missed.
      const oldest = await oldestOpen(ports.em());
      const sent = new Set<string>();
      for await (const row of changedRows(ports, subscription, seen.xid)) {
        if (!seen.sent.has(nameOf(row))) yield { row, xid: Math.min(row.changedXid, oldest) };
        if (row.changedXid >= oldest) sent.add(nameOf(row));
        if (ports.signal.aborted) return;
      }
      seen = { xid: oldest, sent };
      const timer = setTimeout(tell, limits.streamPollMs);
      if (!isNews) await new Promise<void>((resolve) => (wakeUp = resolve));
      clearTimeout(timer);
      if (!ports.signal.aborted) await sleep(limits.tenantUpdatesMs);
    }
  } finally {
    leave();
    ports.signal.removeEventListener("abort", tell);
  }
}

interface Seen {
  /** Where the next read begins. */
  readonly xid: number;
  /** Row and transaction of what was sent already and would be read again. */
  readonly sent: ReadonlySet<string>;
}

function noneSeen(xid: number): Seen {
  return { xid, sent: new Set() };
}

async function presentState<Row extends ChangingRow>(
  ports: ChangesPorts,
  { entity, tenantId }: ChangesSubscription<Row>,
): Promise<Seen> {
  const xid = await oldestOpen(ports.em());
  const present = await find(ports, entity, { where: { tenantId, changedXid: { $gte: xid } } });
  return { xid, sent: new Set(present.map(nameOf)) };
}

/** Rows that were changed by this transaction or a later one, oldest change first: page by page, since one flush changes thousands. */
async function* changedRows<Row extends ChangingRow>(
  ports: ChangesPorts,
  { entity, tenantId, where = {}, populate = [] }: ChangesSubscription<Row>,
  from: number,
): AsyncGenerator<Row> {
  const options = { orderBy: { changedXid: "asc", id: "asc" }, limit: limits.streamPageMax, populate };
  for (let past: ChangingRow | undefined; ; ) {
    const rest: FilterQuery<ChangingRow> = past
      ? { $or: [{ changedXid: { $gt: past.changedXid } }, { changedXid: past.changedXid, id: { $gt: past.id } }] }
      : { changedXid: { $gte: from } };
    const page = await find(ports, entity, { where: { $and: [{ tenantId }, where, rest] }, options });
    yield* page;
    past = page.at(-1);
    if (!past || page.length < limits.streamPageMax) return;
  }
}

// MikroORM's types can't follow a condition on an entity that is not known yet.
async function find<Row extends ChangingRow>(
  { em }: ChangesPorts,
  entity: EntityClass<Row>,
  { where, options }: { readonly where: object; readonly options?: object },
): Promise<readonly Row[]> {
  const all = { ...options, disableIdentityMap: true } as FindOptions<ChangingRow>;
  return em().find(entity as EntityClass<ChangingRow>, where as FilterQuery<ChangingRow>, all) as Promise<Row[]>;
}

function nameOf({ id, changedXid }: ChangingRow): string {
  return `${id} ${changedXid}`;
}

/** The oldest transaction that is still open: every transaction below it is visible to whoever asks later. */
async function oldestOpen(em: EntityManager): Promise<number> {
  const rows = await em.execute<{ xmin: string }[]>("select pg_snapshot_xmin(pg_current_snapshot())::text as xmin");
  return Number(rows[0]?.xmin ?? 0);
}
