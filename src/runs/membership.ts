import { Client, type QueryResult } from "pg";
import { limits } from "../core/limits.ts";
import { isLockTimeout } from "../core/lock-timeout.ts";
import type { Log } from "../core/log.ts";
import { clientConfig, type DatabaseAddress } from "../database/address.ts";
import type { ClusterClock } from "./cluster-clock.ts";
import { declareDeadSql, joinSql, nodeLockClass, peersSql, renewSql } from "./membership-sql.ts";
import { isProvablyGone, ownIdentity, type ProcessIdentity } from "./process-identity.ts";

interface MembershipPorts {
  readonly address: DatabaseAddress;
  readonly log: Log;
  /** No other process can use this database (it is embedded in ours): whoever else is registered is gone. */
  readonly isAlone: boolean;
  readonly clock: ClusterClock;
  /** This node may not act for its runs any more: end their executors and forget them. */
  onLost(): void;
  /** Runs may have become free. */
  onFreed(): void;
}

interface Peer extends ProcessIdentity {
  readonly id: number;
  readonly epoch: number;
  readonly isOverdue: boolean;
}

/**
 * This process's place in the cluster: a row with an epoch, renewed by heartbeats, and an advisory lock on a session of its own.
 * A peer's death is seen in two ways: its lock becomes free (a killed process, within milliseconds), or its lease runs out (a dead host, a
 * cut cable). Neither proves it, so who declares a peer dead raises its epoch, and the peer's writes are refused from then on.
 */
export class Membership {
  readonly #ports: MembershipPorts;
  #client: Client | undefined;
  #watcher: Client | undefined;
  #self: { nodeId: number; epoch: number } | undefined;
  /** Monotonic, milliseconds: when the last renewal that succeeded was sent. */
  #renewedAt = 0;
  /** Monotonic: before this, an overdue heartbeat may only mean that the database was away. */
  #judgeFrom = 0;
  #peers: readonly Peer[] = [];
  /** Ids that were ours until the lease was lost: nothing is written for them any more. */
  readonly #earlier = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #isTicking = false;

  constructor(ports: MembershipPorts) {
    this.#ports = ports;
  }

  /**
   * The node's id and epoch while it may act for its runs; undefined once its lease is so near its end that what is under way has to be
   * ended. A node that is alone has nobody who could take its runs over: it waits for its database as long as that takes.
   */
  identity(): { readonly nodeId: number; readonly epoch: number } | undefined {
    const isHeld = performance.now() - this.#renewedAt < limits.leaseMs - limits.leaseMarginMs;
    return isHeld || this.#ports.isAlone ? this.#self : undefined;
  }

  hasPeers(): boolean {
    return this.#peers.length > 0;
  }

  async start(): Promise<void> {
    await this.#join();
    await this.#judge();
    this.#timer = setInterval(() => void this.#tick(), limits.heartbeatMs);
  }

  /** Leaves: what this node still owns is free for others at once. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#leave();
  }

  async #leave(): Promise<void> {
    const { nodeId, epoch } = this.#self ?? {};
    this.#self = undefined;
    if (nodeId !== undefined && epoch !== undefined)
      await this.#client?.query(declareDeadSql({ id: nodeId, epoch, isGone: true })).catch(() => undefined);
    await Promise.all([this.#client, this.#watcher].map((client) => client?.end().catch(() => undefined)));
  }

  async #join(): Promise<void> {
    const client = await this.#connect("riposte-node");
    const sentAt = performance.now();
    const { host, pid, processStart } = ownIdentity();
    const { rows } = await client.query(joinSql, [host, pid, processStart]);
    const { id, epoch, databaseMs } = rows[0] as { id: number; epoch: number; databaseMs: string };
    this.#setClock(databaseMs, sentAt);
    await client.query("select pg_advisory_lock($1, $2)", [nodeLockClass, id]);
    this.#client = client;
    this.#self = { nodeId: id, epoch };
    this.#renewedAt = sentAt;
    this.#judgeFrom = sentAt + limits.leaseMs;
    this.#ports.log.info({ nodeId: id }, "node.joined");
  }

  async #tick(): Promise<void> {
    // Before anything that may wait for the database: a lease that ran out ends executors even while the database hangs.
    if (this.#self && !this.identity()) this.#lose("its lease ran out");
    if (this.#isTicking || this.#isStopped) return;
    this.#isTicking = true;
    try {
      await this.#renew();
      await this.#judge();
    } catch (error) {
      this.#ports.log.warn({ message: (error as Error).message }, "node.heartbeat_failed");
      await this.#dropClient();
    } finally {
      this.#isTicking = false;
    }
  }

  async #renew(): Promise<void> {
    if (!this.#self) return this.#rejoin();
    if (!this.#client) {
      this.#client = await this.#connect("riposte-node");
      this.#judgeFrom = performance.now() + limits.leaseMs;
      await this.#client.query("select pg_try_advisory_lock($1, $2)", [nodeLockClass, this.#self.nodeId]);
    }
    const sentAt = performance.now();
    const { rows } = await this.#client.query(renewSql, [this.#self.nodeId, this.#self.epoch]);
    const [renewed] = rows as { databaseMs: string }[];
    if (renewed) {
      this.#renewedAt = sentAt;
      this.#setClock(renewed.databaseMs, sentAt);
    } else {
      this.#lose("another node declared it dead");
      await this.#rejoin();
    }
  }

  #setClock(databaseMs: string, sentAt: number): void {
    const movedMs = Math.round(this.#ports.clock.hear(Number(databaseMs), sentAt, performance.now()));
    if (movedMs !== 0) this.#ports.log.warn({ movedMs }, "node.clock_set");
  }

  /** Called when a write was refused: another node has declared this one dead. */
  lost(): void {
    if (this.#self) this.#lose("a write was refused");
  }

  #lose(reason: string): void {
    this.#ports.log.error({ nodeId: this.#self?.nodeId, reason }, "node.lost");
    const lost = this.#self;
    this.#self = undefined;
    this.#ports.onLost();
    if (!lost) return;
    this.#earlier.add(lost.nodeId);
    // Give the old row up, if nobody has done so yet. What was under way has been told to end, and has until the end of the lease.
    const sql = declareDeadSql({ id: lost.nodeId, epoch: lost.epoch, isGone: false });
    void this.#client?.query(sql).catch(() => undefined);
  }

  async #rejoin(): Promise<void> {
    await this.#dropClient();
    if (this.#isStopped) return;
    await this.#join();
    if (this.#isStopped) await this.#leave();
    else this.#ports.onFreed();
  }

  async #judge(): Promise<void> {
    if (!this.#client || !this.#self) return;
    const { rows } = await this.#client.query(peersSql, [this.#self.nodeId, limits.leaseMs]);
    this.#peers = rows as Peer[];
    for (const peer of this.#peers) {
      const isEarlierSelf = this.#earlier.has(peer.id);
      // What an earlier self was at has been told to end, and may need a moment.
      const isGone = !isEarlierSelf && (this.#ports.isAlone || isProvablyGone(peer));
      if (isGone || isEarlierSelf || (peer.isOverdue && performance.now() > this.#judgeFrom))
        await this.#declareDead(peer, isGone);
    }
    void this.#watchNext();
  }

  async #declareDead(peer: Peer, isGone: boolean): Promise<void> {
    const results: unknown = await this.#client?.query(declareDeadSql({ id: peer.id, epoch: peer.epoch, isGone }));
    const [, freed] = (results ?? []) as readonly QueryResult[];
    this.#peers = this.#peers.filter(({ id }) => id !== peer.id);
    this.#ports.log.warn({ nodeId: peer.id, isGone, runs: freed?.rowCount ?? 0 }, "node.declared_dead");
    this.#ports.onFreed();
  }

  /** Waits on the lock of the next node of the ring: it is had the moment that node's session ends. */
  async #watchNext(): Promise<void> {
    if (this.#watcher || !this.#next() || this.#isStopped) return;
    try {
      this.#watcher = await this.#connect("riposte-watch");
      await this.#watcher.query(`set lock_timeout = ${2 * limits.heartbeatMs}`);
      for (let next = this.#next(); next && !this.#isStopped; next = this.#next())
        await this.#watch(this.#watcher, next);
    } catch {
      // The database went away: the next heartbeat watches again.
    } finally {
      const watcher = this.#watcher;
      this.#watcher = undefined;
      await watcher?.end().catch(() => undefined);
    }
  }

  async #watch(watcher: Client, next: Peer): Promise<void> {
    const started = await postmasterStart(watcher);
    try {
      await watcher.query("select pg_advisory_lock_shared($1, $2)", [nodeLockClass, next.id]);
    } catch (error) {
      if (isLockTimeout(error)) return;
      throw error;
    }
    await watcher.query("select pg_advisory_unlock_shared($1, $2)", [nodeLockClass, next.id]);
    // A restart of the database frees every lock at once and proves nothing; then only the heartbeats count.
    const isRestarted = started !== (await postmasterStart(watcher)) || performance.now() < this.#judgeFrom;
    if (isRestarted && !isProvablyGone(next)) this.#peers = this.#peers.filter(({ id }) => id !== next.id);
    else await this.#declareDead(next, isProvablyGone(next));
  }

  #next(): Peer | undefined {
    const self = this.#self;
    return self && (this.#peers.find(({ id }) => id > self.nodeId) ?? this.#peers[0]);
  }

  async #connect(name: string): Promise<Client> {
    const client = new Client({
      ...clientConfig(this.#ports.address),
      application_name: name,
      keepAlive: true,
      // A cable that was cut says nothing: what is not answered within a lease is taken for an error.
      connectionTimeoutMillis: limits.leaseMs,
      query_timeout: limits.leaseMs,
    });
    client.on("error", () => {
      if (this.#client === client) this.#client = undefined;
    });
    await client.connect();
    return client;
  }

  async #dropClient(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }
}

async function postmasterStart(client: Client): Promise<string> {
  const { rows } = await client.query("select pg_postmaster_start_time()::text as started");
  return (rows[0] as { started: string }).started;
}
