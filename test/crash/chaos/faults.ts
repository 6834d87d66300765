import { setTimeout as sleep } from "node:timers/promises";
import type { Chance } from "./chance.ts";
import type { ChaosCluster } from "./cluster.ts";
import type { ChaosNode } from "./node.ts";
import { held, heldScript, overslept } from "./playbooks.ts";
import { isHeld } from "./sockets.ts";
import type { Purpose, RunId, Starts } from "./starts.ts";
import { until } from "./until.ts";
import type { Vendor, VendorCall } from "./vendor.ts";

/** Everything that is done to the cluster, and how often. */
export class Faults {
  readonly counts = { kills: 0, pauses: 0, restarts: 0, cuts: 0, terminations: 0 };
  readonly problems: string[] = [];
  readonly #cluster: ChaosCluster;
  readonly #starts: Starts;
  readonly #vendor: Vendor;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(cluster: ChaosCluster, starts: Starts, vendor: Vendor) {
    this.#cluster = cluster;
    this.#starts = starts;
    this.#vendor = vendor;
  }

  /**
   * kill -9 of some node every few seconds, whatever it is at; it is started again a little later. Where it can be told to, it has a
   * script under way, which has to be gone when another node runs that again.
   */
  async kill(chance: Chance, load: AbortSignal): Promise<void> {
    for (let count = 0; await this.#goesOn(load, chance.between(1_000, 4_000)); count += 1) {
      const victim = chance.pick(this.#cluster.nodes);
      if (victim.state !== "up" && victim.state !== "starting") continue;
      const isUp = victim.state === "up";
      const script = isUp
        ? await this.#hold(chance, victim, { playbook: heldScript, name: `script-${count}` })
        : undefined;
      const isItsOwn = script && victim.isAt(script.first);
      await victim.kill();
      this.counts.kills += 1;
      const starting = sleep(chance.between(0, 1_500)).then(() => victim.start());
      const ending = script?.isCalled(isItsOwn ? 2 : 1).then(() => this.#starts.cancel(chance, script.id));
      const both = Promise.all([starting, ending]);
      this.#underWay.add(both);
      void both.finally(() => this.#underWay.delete(both));
    }
    await Promise.all(this.#underWay);
  }

  /**
   * Stops a node that has calls under way, until the others have declared it dead and one of them has made such a call again. Once it
   * wakes, it lets go of its own; an answer that it has slept through, and what it is asked while it sleeps, come to nothing there.
   */
  async pause(chance: Chance, load: AbortSignal): Promise<void> {
    for (let count = 0; await this.#goesOn(load, chance.between(500, 3_000)); count += 1) {
      const node = await this.#cluster.someUp(chance);
      const later = await this.#hold(chance, node, { playbook: overslept, name: `overslept-${count}` });
      const { id, first, isCalled } = await this.#hold(chance, node, { playbook: held, name: `held-${count}` });
      const [self] = await this.#cluster.query<{ id: number }>(selfSql, [node.name, node.pid]);
      if (node.state === "up" && node.isAt(first)) {
        const isSleptThrough = node.isAt(later.first);
        node.pause();
        const asked = this.#starts.startOn(chance, node, { playbook: overslept, name: `asked-${count}` });
        await Promise.all([isCalled(2), later.isCalled(isSleptThrough ? 2 : 1)]);
        if (self && !(await this.#hasLeft(self.id))) this.problems.push(`${node.name} is stopped, and has not left`);
        await sleep(chance.between(0, 1_000));
        node.resume();
        await until("a node that has woken lets go of what it was at", () => !isHeld(first.connection));
        this.counts.pauses += 1;
        await asked;
      }
      await this.#starts.cancel(chance, id);
    }
  }

  async restartDatabase(chance: Chance, load: AbortSignal): Promise<void> {
    while (await this.#goesOn(load, chance.between(8_000, 14_000))) {
      this.#cluster.restartDatabase();
      this.counts.restarts += 1;
    }
  }

  /** Breaks connections: those of a node, or a few of anybody's. */
  async breakConnections(chance: Chance, load: AbortSignal): Promise<void> {
    while (await this.#goesOn(load, chance.between(700, 2_000))) {
      if (chance.isHit(0.5)) {
        this.#cluster.cut(chance);
        this.counts.cuts += 1;
      } else {
        const ended = await this.#cluster.query(terminateSql, [chance.between(1, 4)]);
        this.counts.terminations += ended.length;
      }
    }
  }

  /** Waits for so long, unless the load ends before. */
  async #goesOn(load: AbortSignal, afterMs: number): Promise<boolean> {
    await sleep(afterMs, undefined, { signal: load }).catch(() => undefined);
    return !load.aborted;
  }

  /** A run whose first step is under way, on this node if that answers. */
  async #hold(chance: Chance, node: ChaosNode, purpose: Purpose): Promise<Held> {
    const id = await this.#starts.startOn(chance, node, purpose);
    const calls = () => this.#vendor.calls.get(`${id.row}:first`) ?? [];
    const isCalled = (times: number) =>
      until(`${purpose.name} has called ${times} times`, () => calls().length >= times);
    await isCalled(1);
    return { id, first: calls()[0] as VendorCall, isCalled };
  }

  async #hasLeft(nodeId: number): Promise<boolean> {
    return (await this.#cluster.query("select from node where id = $1 and left_at is not null", [nodeId])).length > 0;
  }
}

interface Held {
  readonly id: RunId;
  readonly first: VendorCall;
  /** Resolves when its first step was called so often. */
  isCalled(times: number): Promise<void>;
}

const selfSql = "select id from node where written_by = $1 and pid = $2 and left_at is null";

const terminateSql = `
select pg_terminate_backend(pid) from pg_stat_activity
where usename like 'node%' and backend_type = 'client backend' order by random() limit $1`;
