import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { StateFailure } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { sliced, visitEach } from "../core/sliced.ts";
import type { DatabaseAddress } from "../database/address.ts";
import type { TenantGate } from "../tenancy/disabled-tenants.ts";
import { giveBackSql, signalledSql, signalsSql, wakeSignalledSql } from "./claim-sql.ts";
import { Claims } from "./claims.ts";
import { ClusterClock } from "./cluster-clock.ts";
import type { TellCompletion } from "./completion.ts";
import { openPool } from "./engine-pool.ts";
import { ExecutorSlots } from "./executor-slots.ts";
import { Expiry } from "./expiry.ts";
import { freeEntry } from "./free-run.ts";
import { birthBytes } from "./held-bytes.ts";
import type { Hub } from "./hub.ts";
import type { WriteResult } from "./journal-entry.ts";
import { Journals } from "./journals.ts";
import { type LoadedRun, type LoadPorts, loadRuns } from "./load-runs.ts";
import { Membership } from "./membership.ts";
import { MemoryBudget } from "./memory-budget.ts";
import type { NewRun } from "./new-run.ts";
import type { ResidentPorts } from "./resident-ports.ts";
import { ResidentRun } from "./resident-run.ts";
import type { Signal } from "./signal.ts";
import type { StepPorts } from "./step-ports.ts";
import { Strays } from "./strays.ts";
import { SweepLoop } from "./sweep-loop.ts";

export interface EnginePorts extends Omit<LoadPorts, "pool"> {
  readonly address: DatabaseAddress;
  /** Whether the database is embedded in this process, so that no other can be using it. */
  readonly isAlone: boolean;
  readonly steps: Omit<StepPorts, "log" | "now">;
  readonly hub: Hub;
  readonly tenants: TenantGate;
  readonly log: Log;
  /** What the runs in this node's memory may hold together. */
  readonly memory?: MemoryBudget;
  /** What the end of an action triggers. */
  readonly completions?: TellCompletion;
  /** Something was triggered by a run here, and is durable. */
  readonly onTriggered?: () => void;
}

/**
 * Runs whatever of the cluster's runs this node owns. Its port is narrow: `start`, `hint`, `stop`; all else it finds in the database.
 * Nothing that comes as a notification is needed: what was not heard is found by the sweep.
 */
export class Engine {
  readonly #ports: EnginePorts;
  readonly #pool: Pool;
  readonly #clock = new ClusterClock();
  readonly #membership: Membership;
  readonly #journals: Journals;
  readonly #expiry: Expiry;
  readonly #residentPorts: Omit<ResidentPorts, "journal">;
  readonly #resident = new Map<string, ResidentRun>();
  readonly #memory: MemoryBudget;
  readonly #slots: ExecutorSlots;
  readonly #sweeps: SweepLoop;
  /** Runs that were claimed before they had left here: another sweep takes them up. */
  readonly #returning = new Set<string>();
  readonly #claims: Claims;
  readonly #strays: Strays;
  /** Runs whose events were refused and that were told to fail: a second refusal is not answered at once. */
  readonly #failing = new Set<string>();
  #isStopping = false;
  #stopped: Promise<void> | undefined;

  constructor(ports: EnginePorts) {
    const { address, isAlone, log, memory = new MemoryBudget() } = ports;
    this.#ports = ports;
    this.#pool = openPool(address, log);
    this.#memory = memory;
    this.#slots = new ExecutorSlots(memory);
    this.#claims = new Claims({ pool: this.#pool, memory, resident: this.#resident });
    this.#strays = new Strays({ pool: this.#pool, resident: this.#resident });
    this.#sweeps = new SweepLoop({ sweep: () => this.#sweep(), onFailed: (error) => this.#sweepFailed(error) });
    this.#membership = new Membership({
      address,
      isAlone,
      log,
      clock: this.#clock,
      onLost: () => this.#dropAll(),
      onFreed: () => void this.#sweeps.sweep(),
    });
    this.#journals = new Journals({ address, membership: this.#membership, log });
    this.#expiry = new Expiry({ pool: this.#pool, log, onExpired: (runIds) => void this.hint(runIds) });
    this.#residentPorts = {
      ...ports,
      steps: { ...ports.steps, log, now: () => this.#clock.now() },
      memory,
      slots: this.#slots,
      expire: (approvalId) => this.#expiry.expire(approvalId),
      onReleased: (run, reason) => this.#released(run, reason),
    };
  }

  /** Joins the cluster and takes up what is free: after a crash, everything this machine was at. */
  async start(): Promise<void> {
    await this.#membership.start();
    await this.#sweeps.sweep();
  }

  /** True while runs can be started and written here. */
  isReady(): boolean {
    return !this.#isStopping && this.#membership.identity() !== undefined;
  }

  /** Whether other nodes are to hear of what happens here. */
  hasPeers(): boolean {
    return this.#membership.hasPeers();
  }

  residentCount(): number {
    return this.#resident.size;
  }

  /**
   * Makes a run durable and begins it, here if there is room, else wherever there is some first.
   * @returns `written`, or `conflict` when another run has its idempotency key.
   * @throws StateFailure `unavailable` when this node can't write at the moment.
   */
  async begin(birth: NewRun): Promise<"written" | "conflict"> {
    if (!this.isReady()) throw unavailable();
    const isTooLarge = this.#memory.room() < birthBytes(birth);
    if (isTooLarge) this.#claims.holdUp();
    const isFree = isTooLarge || this.#resident.size >= limits.residentRunsMax;
    const result = await (isFree ? this.#beginFree(birth) : this.#beginHere(birth));
    // One that is large may well be claimed at once.
    if (isTooLarge && this.#claims.isWorthwhile()) void this.#sweeps.sweep();
    if (result === "written" || result === "conflict") return result;
    throw result === "refused" ? new Error(`The journal refused run ${birth.id}.`) : unavailable();
  }

  /**
   * Something was said to these runs (`run_signal`), on whichever node: those that are resident here hear it now. Never rejects: what
   * could not be read now, the next sweep finds.
   */
  async hint(runIds: readonly string[]): Promise<void> {
    const here = runIds.filter((id) => this.#resident.has(id));
    if (here.length < runIds.length) void this.#sweeps.sweep();
    if (here.length === 0) return;
    try {
      const { rows } = await this.#pool.query<Signal & { runId: string }>(signalsSql, [here]);
      for (const [runId, signals] of Map.groupBy(rows, (row) => row.runId)) this.#resident.get(runId)?.signal(signals);
    } catch (error) {
      this.#ports.log.warn({ message: (error as Error).message }, "engine.signals_unread");
    }
  }

  /** A tenant was disabled: its runs that are here end. Those that sleep do when they wake. */
  refuseDisabled(): void {
    for (const run of this.#resident.values()) run.refuse();
  }

  /** Runs may have become free: claims what is due. */
  async wake(): Promise<void> {
    await this.#sweeps.sweep();
  }

  /**
   * Takes nothing new, waits up to `limits.drainMs` for the executors at work, ends what is left, gives every run back and leaves the cluster.
   * A step that was ended so is interrupted, as after a crash.
   */
  stop(): Promise<void> {
    this.#isStopping = true;
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.#sweeps.stop();
    const runs = [...this.#resident.values()];
    const quiet = Promise.all(runs.map((run) => run.rest()));
    await Promise.race([quiet, sleep(limits.drainMs, undefined, { ref: false })]);
    for (const run of runs) run.drop();
    await quiet;
    await this.#expiry.stop();
    await this.#journals.stop();
    await this.#membership.stop();
    await this.#pool.end();
  }

  #portsOfRun(): ResidentPorts {
    return { ...this.#residentPorts, journal: this.#journals.assign() };
  }

  #beginHere(birth: NewRun): Promise<WriteResult> {
    const run = new ResidentRun(this.#portsOfRun(), { ...birth, createdAt: this.#clock.now() });
    this.#resident.set(birth.id, run);
    return run.begin(birth);
  }

  #beginFree(birth: NewRun): Promise<WriteResult> {
    const entry = freeEntry(birth, this.#clock.now());
    return new Promise((settled) => this.#journals.assign().append({ ...entry, settled }));
  }

  #released(run: Pick<ResidentRun, "info">, reason: "over" | "lost" | "broken"): void {
    const isOurs = this.#resident.get(run.info.id) === run;
    if (isOurs) this.#resident.delete(run.info.id);
    // Of a run that was dropped before, the loss is old news.
    if (isOurs && reason === "lost") this.#membership.lost();
    if (reason === "broken") void this.#failBroken(run.info.id);
    else this.#failing.delete(run.info.id);
    this.#slots.admit();
    if (this.#returning.delete(run.info.id)) this.#strays.note();
    else if (!this.#claims.isWorthwhile()) return;
    void this.#sweeps.sweep();
  }

  #dropAll(): void {
    for (const run of this.#resident.values()) run.drop();
    this.#resident.clear();
    this.#returning.clear();
    this.#journals.abandon();
  }

  #sweepFailed(error: Error): void {
    this.#strays.note();
    this.#ports.log.warn({ message: error.message }, "engine.sweep_failed");
  }

  /** Claims what is due, and hears what was said. @returns After how many milliseconds that is due again. */
  async #sweep(): Promise<number> {
    const self = this.#membership.identity();
    if (!self) return limits.sweepMs;
    await this.#pool.query(wakeSignalledSql);
    await this.#takeUp(await this.#strays.find(self.nodeId), self.nodeId);
    const claimed = await this.#claims.claim(self);
    await this.#takeUp(claimed, self.nodeId);
    // More may be due than was taken at once.
    if (claimed.length === limits.claimMax) this.#sweeps.again();
    const said = await this.#pool.query<{ runId: string }>(signalledSql, [self.nodeId]);
    if (said.rows.length > 0)
      await this.hint(said.rows.map(({ runId }) => runId).filter((id) => this.#resident.has(id)));
    return this.#claims.nextMs(claimed.length);
  }

  async #takeUp(claimed: readonly { readonly id: string }[], nodeId: number): Promise<void> {
    for (const { id } of claimed) if (this.#resident.has(id)) this.#returning.add(id);
    const ids = claimed.map(({ id }) => id).filter((id) => !this.#resident.has(id));
    if (ids.length === 0) return;
    const loaded = await loadRuns({ ...this.#ports, pool: this.#pool }, ids);
    const resume = (run: LoadedRun | Error) => run instanceof Error || this.#settleIn(run, nodeId)?.resume(run.signals);
    await sliced(visitEach(loaded.values(), resume), limits.takeUpSliceMs);
    for (const [id, run] of loaded) if (run instanceof Error) await this.#giveBack(id, run, nodeId);
  }

  /** The run in memory, unless it is there already, has ended, or is not this node's any more. */
  #settleIn({ info, walk }: LoadedRun, nodeId: number): ResidentRun | undefined {
    const isOurs = this.#membership.identity()?.nodeId === nodeId && !this.#isStopping;
    // The lease may be renewed yet, and the run stay ours.
    if (!isOurs) this.#strays.note();
    if (!isOurs || this.#resident.has(info.id) || walk.run.finishedAt !== undefined) return undefined;
    const resident = new ResidentRun(this.#portsOfRun(), info, walk);
    this.#resident.set(info.id, resident);
    return resident;
  }

  async #failBroken(id: string): Promise<void> {
    const nodeId = this.#membership.identity()?.nodeId;
    try {
      if (nodeId !== undefined && this.#failing.delete(id)) {
        return await this.#giveBack(id, new Error("The database refuses even the run's failure."), nodeId);
      }
      const run = (await loadRuns({ ...this.#ports, pool: this.#pool }, [id])).get(id);
      if (run === undefined || run instanceof Error || nodeId === undefined) return this.#strays.note();
      this.#failing.add(id);
      this.#settleIn(run, nodeId)?.fail("internal_error", "The run could not be written down.");
    } catch (error) {
      this.#strays.note();
      this.#ports.log.warn({ runId: id, message: (error as Error).message }, "run.load_failed");
    }
  }

  async #giveBack(id: string, reason: Error, nodeId: number): Promise<void> {
    this.#ports.log.error({ runId: id, reason: reason.message }, "run.load_failed");
    await this.#pool.query(giveBackSql, [id, limits.loadRetryMs, nodeId]);
  }
}

function unavailable(): StateFailure {
  return new StateFailure("unavailable", "This node can't take runs at the moment; try again, or another node.");
}
