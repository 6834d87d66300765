import { setTimeout as sleep } from "node:timers/promises";
import type { Chance } from "./chance.ts";
import type { ChaosCluster } from "./cluster.ts";
import { isHeld } from "./sockets.ts";
import type { Starts } from "./starts.ts";
import { until } from "./until.ts";
import type { Vendor } from "./vendor.ts";

/** Everything that is done to the cluster, and how often. */
export class Faults {
  readonly counts = { kills: 0, pauses: 0, restarts: 0, cuts: 0, terminations: 0 };
  readonly problems: string[] = [];
  readonly #cluster: ChaosCluster;
  readonly #starts: Starts;
  readonly #vendor: Vendor;
  readonly #starting = new Set<Promise<void>>();

  constructor(cluster: ChaosCluster, starts: Starts, vendor: Vendor) {
    this.#cluster = cluster;
    this.#starts = starts;
    this.#vendor = vendor;
  }

  /** kill -9 of some node every few seconds; it is started again a little later. The others may be anything. */
  async kill(chance: Chance, load: AbortSignal): Promise<void> {
    await this.#each(
      load,
      () => chance.between(1_500, 4_500),
      async () => {
        const victim = chance.pick(this.#cluster.nodes);
        if (victim.state !== "up" && victim.state !== "starting") return;
        await victim.kill();
        this.counts.kills += 1;
        const starting = sleep(chance.between(0, 1_500)).then(() => victim.start());
        this.#starting.add(starting);
        void starting.finally(() => this.#starting.delete(starting));
      },
    );
    await Promise.all(this.#starting);
  }

  /**
   * Stops a node that has a call under way, until the others have declared it dead and one of them has made that call again. Once it
   * wakes, it lets go of its own.
   */
  async pause(chance: Chance, load: AbortSignal): Promise<void> {
    for (let count = 0; !load.aborted; count += 1) {
      await sleep(chance.between(500, 3_000), undefined, { signal: load }).catch(() => undefined);
      const node = await this.#cluster.someUp(chance);
      const held = await this.#starts.hold(chance, node, `held-${count}`);
      const calls = () => this.#vendor.calls.get(`${held.row}:first`) ?? [];
      await until("a run that is held has called", () => calls().length > 0);
      const [first] = calls();
      if (first && node.state === "up" && node.mayHold(first.connection)) {
        const [self] = await this.#cluster.query<{ id: number }>(selfSql, [node.name, node.pid]);
        node.pause();
        await until("somebody else has called for a node that is stopped", () => calls().length > 1);
        if (self && !(await this.#hasLeft(self.id))) this.problems.push(`${node.name} is stopped, and has not left`);
        await sleep(chance.between(0, 1_000));
        node.resume();
        await until("a node that has woken lets go of what it was at", () => !isHeld(first.connection));
        this.counts.pauses += 1;
      }
      await this.#starts.cancel(chance, held);
    }
  }

  async restartDatabase(chance: Chance, load: AbortSignal): Promise<void> {
    await this.#each(
      load,
      () => chance.between(8_000, 14_000),
      async () => {
        this.#cluster.restartDatabase();
        this.counts.restarts += 1;
      },
    );
  }

  /** Breaks connections: those of the second node at once, or a few of anybody's. */
  async breakConnections(chance: Chance, load: AbortSignal): Promise<void> {
    await this.#each(
      load,
      () => chance.between(1_000, 3_000),
      async () => {
        if (chance.isHit(0.4)) {
          this.#cluster.cut();
          this.counts.cuts += 1;
          return;
        }
        const ended = await this.#cluster.query(terminateSql, [chance.between(1, 4)]);
        this.counts.terminations += ended.length;
      },
    );
  }

  async #each(load: AbortSignal, afterMs: () => number, act: () => Promise<void>): Promise<void> {
    while (!load.aborted) {
      await sleep(afterMs(), undefined, { signal: load }).catch(() => undefined);
      if (!load.aborted) await act();
    }
  }

  async #hasLeft(nodeId: number): Promise<boolean> {
    return (await this.#cluster.query("select from node where id = $1 and left_at is not null", [nodeId])).length > 0;
  }
}

const selfSql = "select id from node where written_by = $1 and pid = $2 and left_at is null";

const terminateSql = `
select pg_terminate_backend(pid) from pg_stat_activity
where usename like 'node%' and backend_type = 'client backend' order by random() limit $1`;
