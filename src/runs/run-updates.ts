import { setTimeout as sleep } from "node:timers/promises";
import type { FilterQuery } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { limits } from "../core/limits.ts";
import { Run } from "./entities.ts";
import type { RunStatus } from "./events.ts";
import { asShown } from "./find-run.ts";
import type { Hub } from "./hub.ts";
import { type RunFilter, unchanging, whereOf } from "./run-filter.ts";

export interface RunUpdate {
  /** All that this subscriber has not seen has a transaction not below it. */
  readonly xid: number;
  readonly matches: boolean;
  readonly run: Run;
}

interface RunUpdatesPorts {
  readonly hub: Pick<Hub, "onTenant">;
  /** A fork of its own for each look. */
  readonly em: () => EntityManager;
  readonly signal: AbortSignal;
}

interface Subscription {
  readonly tenantId: string;
  readonly filter: RunFilter;
  /** From a cursor: everything that changed in this transaction or later. Without it, what changes from now on. */
  readonly after: number | undefined;
}

/**
 * The latest head of every run of the tenant that changed, at least once. Reads are by the transaction that changed a head last:
 * whatever was not yet visible to a snapshot has one that is not below the snapshot's oldest open transaction, so nothing slips between two
 * reads, in whatever order transactions commit.
 */
export async function* streamRunUpdates(ports: RunUpdatesPorts, subscription: Subscription): AsyncGenerator<RunUpdate> {
  let isNews = true;
  let wakeUp = () => {};
  const tell = () => {
    isNews = true;
    wakeUp();
  };
  const leave = ports.hub.onTenant(subscription.tenantId, tell);
  ports.signal.addEventListener("abort", tell);
  try {
    let seen =
      subscription.after === undefined ? await presentState(ports, subscription) : noneSeen(subscription.after);
    while (!ports.signal.aborted) {
      isNews = false;
      // Asked before reading: what commits in between is read now and again, never missed.
      const oldest = await oldestOpen(ports.em());
      const sent = new Set<string>();
      for await (const run of changedRuns(ports, subscription, seen.xid)) {
        if (!seen.sent.has(nameOf(run))) yield updateOf(run, subscription.filter, oldest);
        if (run.changedXid >= oldest) sent.add(nameOf(run));
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
  /** Run and transaction of what was sent already and would be read again. */
  readonly sent: ReadonlySet<string>;
}

function noneSeen(xid: number): Seen {
  return { xid, sent: new Set() };
}

async function presentState(ports: RunUpdatesPorts, { tenantId }: Subscription): Promise<Seen> {
  const xid = await oldestOpen(ports.em());
  const present = await ports.em().find(Run, { tenantId, changedXid: { $gte: xid } }, { disableIdentityMap: true });
  return { xid, sent: new Set(present.map(nameOf)) };
}

/** Runs whose head was changed by this transaction or a later one, oldest change first: page by page, since one flush changes thousands. */
async function* changedRuns(
  ports: RunUpdatesPorts,
  { tenantId, filter }: Subscription,
  from: number,
): AsyncGenerator<Run> {
  const where = whereOf(tenantId, unchanging(filter));
  for (let past: Run | undefined; ; ) {
    const rest: FilterQuery<Run> = past
      ? { $or: [{ changedXid: { $gt: past.changedXid } }, { changedXid: past.changedXid, id: { $gt: past.id } }] }
      : { changedXid: { $gte: from } };
    const page = await ports
      .em()
      .find(
        Run,
        { $and: [where, rest] },
        { orderBy: { changedXid: "asc", id: "asc" }, limit: limits.streamPageMax, ...asShown },
      );
    yield* page;
    past = page.at(-1);
    if (!past || page.length < limits.streamPageMax) return;
  }
}

function updateOf(run: Run, { status }: RunFilter, oldest: number): RunUpdate {
  return { run, matches: matches(status, run), xid: Math.min(run.changedXid, oldest) };
}

function matches(status: readonly RunStatus[] | undefined, run: Run): boolean {
  return status === undefined || status.includes(run.status);
}

function nameOf({ id, changedXid }: Run): string {
  return `${id} ${changedXid}`;
}

/** The oldest transaction that is still open: every transaction below it is visible to whoever asks later. */
async function oldestOpen(em: EntityManager): Promise<number> {
  const rows = await em.execute<{ xmin: string }[]>("select pg_snapshot_xmin(pg_current_snapshot())::text as xmin");
  return Number(rows[0]?.xmin ?? 0);
}
