import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { clientConfig, type DatabaseAddress } from "../database/address.ts";
import type { JournalEntry, WriteResult } from "./journal-entry.ts";
import { JournalQueue } from "./journal-queue.ts";
import { type FlushRows, serialise } from "./journal-rows.ts";
import {
  endBackendSql,
  flushSettings,
  flushSql,
  flushWithAuditsSql,
  flushWithSideRowsSql,
  writtenSql,
} from "./journal-sql.ts";
import type { Membership } from "./membership.ts";
import { Settlement } from "./settlement.ts";

export interface JournalPorts {
  readonly address: DatabaseAddress;
  readonly membership: Pick<Membership, "identity" | "hasPeers">;
  readonly log: Log;
}

/** What the journal does of its client that pg's types leave out. */
type Backend = Client & { readonly processID?: number };

/**
 * The group commit of run events. Whatever has gathered is written by one statement, and the next flush starts when the last has
 * ended: a lonely run waits for nobody, a thousand share one commit. Has a connection of its own, outside the ORM's pool.
 * A connection that breaks is opened again and the flush settled by what the database then holds: never twice, never lost.
 */
export class Journal {
  readonly #ports: JournalPorts;
  readonly #settlement: Settlement;
  readonly #queue = new JournalQueue();
  #client: Backend | undefined;
  /** The backend of a connection that broke: a flush may still be under way in it. */
  #leftBehind: number | undefined;
  #isFlushing = false;
  #isStopped = false;
  /** Entries of the flush under way. */
  #underWay = 0;

  constructor(ports: JournalPorts) {
    this.#ports = ports;
    this.#settlement = new Settlement(({ runId }, error) =>
      ports.log.error({ runId, reason: String(error) }, "journal.settle_failed"),
    );
  }

  /** Entries that are waiting or being written. */
  get load(): number {
    return this.#queue.length + this.#underWay;
  }

  /** Hands an entry over; `settled` is called once, in the order of hand-over. */
  append(entry: JournalEntry): void {
    if (this.#isStopped) {
      queueMicrotask(() => entry.settled("lost"));
      return;
    }
    this.#queue.push(entry);
    if (!this.#isFlushing) {
      this.#isFlushing = true;
      // Once everything of this turn has been handed over, so that it rides in one flush.
      queueMicrotask(() => void this.#flushAll());
    }
  }

  /** Undefined while there is room for what could also come later, such as log lines; else resolves once there is. */
  room(): Promise<void> | undefined {
    return this.#queue.room();
  }

  /** This node may not write any more: what is waiting is lost, and a flush under way is not waited for. */
  abandon(): void {
    this.#settle(this.#queue.takeAll(), "lost");
    this.#settlement.tell();
    void this.#disconnect();
  }

  /** Writes what is left and closes the connection. */
  async stop(): Promise<void> {
    while (this.#isFlushing || !this.#settlement.isOver()) await sleep(5);
    this.#isStopped = true;
    await this.#disconnect();
  }

  async #flushAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.take();
      this.#underWay = batch.length;
      const flushed = this.#flush(batch);
      // What the last flush settled is told while the database is at work on this one.
      this.#settlement.tell();
      await flushed;
    }
    this.#isFlushing = false;
    this.#underWay = 0;
    this.#settlement.tell();
  }

  async #flush(batch: readonly JournalEntry[]): Promise<void> {
    const owner = this.#ports.membership.identity();
    if (!owner) return this.#settle(batch, "lost");
    for (let failures = 0; ; failures += 1) {
      try {
        if (failures > 0 && (await this.#settleWritten(batch, owner))) return;
        return await this.#write(batch, owner);
      } catch (error) {
        if (isRefusal(error)) return this.#isolate(batch, error);
        this.#ports.log.warn({ failures, message: (error as Error).message }, "journal.connection_failed");
        await this.#disconnect();
        const current = this.#ports.membership.identity();
        if (this.#isStopped || current?.nodeId !== owner.nodeId) return this.#settle(batch, "lost");
        await sleep(Math.min(20 * 2 ** failures, 500));
      }
    }
  }

  async #write(batch: readonly JournalEntry[], owner: { nodeId: number; epoch: number }): Promise<void> {
    const client = this.#client ?? (await this.#connection());
    const rowsToWrite = serialise(batch);
    const { birthCount, signals, columns } = rowsToWrite;
    const notification = this.#ports.membership.hasPeers() ? hintOf(batch) : "";
    const { rest, ...statement } = statementOf(rowsToWrite);
    const { rows } = await client.query({
      ...statement,
      values: [owner.nodeId, owner.epoch, birthCount, signals, notification, ...columns, ...rest],
    });
    const { fenced, born } = rows[0] as { fenced: number; born: string[] | null };
    if (fenced === 0) return this.#settle(batch, "lost");
    const kept = born ? new Set(born) : undefined;
    this.#settlement.add(batch, ({ birth, runId }) => (birth && kept && !kept.has(runId) ? "conflict" : "written"));
  }

  /** After a broken connection: whether the flush had been committed; settles it if so, or if this node may not write any more. */
  async #settleWritten(batch: readonly JournalEntry[], owner: { nodeId: number; epoch: number }): Promise<boolean> {
    const client = await this.#connection();
    await this.#endLeftBehind(client, owner.nodeId);
    const firsts = batch.map(({ runId, events }) => ({ runId, sequence: events[0]?.sequence ?? 0 }));
    const { rows } = await client.query(writtenSql, [
      owner.nodeId,
      owner.epoch,
      firsts.map(({ runId }) => runId),
      firsts.map(({ sequence }) => sequence),
    ]);
    const { fenced, written } = rows[0] as { fenced: number; written: string[] };
    // Fenced, events of these runs may be those of their next owner.
    if (fenced === 0) this.#settle(batch, "lost");
    else if (written.length === 0) return false;
    const found = new Set(written);
    if (fenced > 0) this.#settlement.add(batch, ({ runId }) => (found.has(runId) ? "written" : "conflict"));
    return true;
  }

  /** A backend outlives its client until it next answers: what it was told last must have ended before anyone looks. */
  async #endLeftBehind(client: Client, nodeId: number): Promise<void> {
    if (this.#leftBehind === undefined) return;
    const { rows } = await client.query(endBackendSql, [this.#leftBehind, limits.leaseMs]);
    if ((rows as { isGone: boolean }[]).some(({ isGone }) => !isGone)) throw new Error("The last flush has not ended.");
    // A pooler between us and the database hides its backends; a flush under way holds the node's row.
    await client.query("select from node where id = $1 for update", [nodeId]);
    this.#leftBehind = undefined;
  }

  /** One entry that the database refuses must not hold up the others: halves, until it is alone. */
  async #isolate(batch: readonly JournalEntry[], error: unknown): Promise<void> {
    const [first] = batch;
    if (batch.length === 1 && first) {
      this.#ports.log.error({ runId: first.runId, message: (error as Error).message }, "journal.refused");
      return this.#settle(batch, "refused");
    }
    const middle = Math.ceil(batch.length / 2);
    await this.#flush(batch.slice(0, middle));
    await this.#flush(batch.slice(middle));
  }

  #settle(batch: readonly JournalEntry[], result: WriteResult): void {
    this.#settlement.add(batch, () => result);
  }

  async #connection(): Promise<Client> {
    if (this.#client) return this.#client;
    const client: Backend = new Client({
      ...clientConfig(this.#ports.address),
      options: flushSettings,
      keepAlive: true,
      connectionTimeoutMillis: limits.leaseMs,
    });
    client.on("error", () => {
      if (this.#client === client) this.#leave(client);
    });
    await client.connect();
    this.#client = client;
    return client;
  }

  #leave(client: Backend): void {
    this.#client = undefined;
    this.#leftBehind = client.processID ?? this.#leftBehind;
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    if (client) this.#leave(client);
    // Ending a broken connection may itself wait for ever.
    await Promise.race([client?.end().catch(() => undefined), sleep(100)]);
  }
}

/** The cheapest statement that writes all of a flush, and its parameters behind those that every one has. */
function statementOf({ side, audits, auditCount }: FlushRows) {
  if (side) {
    return { name: "flush-side", text: flushWithSideRowsSql, rest: [side.closedApprovals, ...side.columns, ...audits] };
  }
  if (auditCount > 0) return { name: "flush-audits", text: flushWithAuditsSql, rest: audits };
  return { name: "flush", text: flushSql, rest: [] };
}

/**
 * True for an error of what was to be written (classes 21, 22, 23, 54, and P0: somebody's trigger). Any other passes by, or hits every entry
 * alike: a server that went away, a replica that takes no writes yet, a missing right. Then the entries wait. But where it is the audit trail that
 * can't be written to, runs that somebody starts are refused, and the others go on.
 */
function isRefusal(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code !== "string") return false;
  return (
    /^(21|22|23|54|P0)[0-9A-Z]{3}$/.test(code) || (code.startsWith("42") && /\baudit_entry\b/.test(String(message)))
  );
}

const hintBytesMax = 7_000;

/** The ids of the runs of a flush for other nodes' listeners; `*` when they don't fit a notification (8,000 bytes). */
function hintOf(batch: readonly JournalEntry[]): string {
  const ids = [...new Set(batch.map(({ runId }) => runId))].join(" ");
  return ids.length > hintBytesMax ? "*" : ids;
}
