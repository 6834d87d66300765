import { setTimeout as sleep } from "node:timers/promises";
import { globalId } from "../../../src/core/global-id.ts";
import { followRun } from "../follow-run.ts";
import { type Chance, chanceOf } from "./chance.ts";
import { Clients } from "./clients.ts";
import { adminToken, ChaosCluster } from "./cluster.ts";
import { Decisions } from "./decisions.ts";
import { Faults } from "./faults.ts";
import { registerAll } from "./register.ts";
import { Starts } from "./starts.ts";
import { Triggers } from "./triggers.ts";
import { Vendor } from "./vendor.ts";

const callers = 3;
const followersMax = 12;

interface Parts {
  readonly cluster: ChaosCluster;
  readonly vendor: Vendor;
  readonly tokens: readonly string[];
}

/** A cluster with everybody who uses it and everything that is done to it. */
export class ChaosWorld {
  readonly cluster: ChaosCluster;
  readonly vendor: Vendor;
  readonly clients: Clients;
  readonly starts: Starts;
  readonly triggers: Triggers;
  readonly decisions: Decisions;
  readonly faults: Faults;
  /** The sequences that each follower of a run was shown, by the run's row. */
  readonly followed = new Map<string, Promise<readonly number[]>>();
  readonly #chance: Chance;
  readonly #over = new AbortController();
  #untilOver: Promise<unknown> = Promise.resolve();

  static async start(seed: string): Promise<ChaosWorld> {
    const cluster = await ChaosCluster.start();
    const vendor = await Vendor.open({ seed, callerOf: (call) => cluster.callerOf(call) });
    return new ChaosWorld(seed, { cluster, vendor, tokens: await registerAll(cluster, vendor) });
  }

  private constructor(seed: string, { cluster, vendor, tokens }: Parts) {
    this.#chance = chanceOf(seed);
    this.cluster = cluster;
    this.vendor = vendor;
    this.clients = new Clients(cluster);
    this.starts = new Starts(this.clients);
    this.triggers = new Triggers(cluster, this.clients);
    this.decisions = new Decisions(cluster, this.clients, tokens);
    this.faults = new Faults(cluster, this.starts, vendor);
  }

  /** Load and faults for so long; resolves when every caller has been answered and every node is there again. */
  async load(milliseconds: number): Promise<void> {
    const ending = new AbortController();
    const [load, over] = [ending.signal, this.#over.signal];
    const of = (name: string) => this.#chance.of(name);
    const { starts, triggers, decisions, faults } = this;
    const people = [decisions.decide(of("ann"), over), decisions.decide(of("bob"), over), triggers.age(over)];
    this.#untilOver = Promise.all(people);
    const working = Promise.all([
      ...Array.from({ length: callers }, (_, index) => starts.call(of(`caller-${index}`), load)),
      triggers.emit(of("events"), load),
      triggers.tick(of("ticks"), load),
      faults.kill(of("kill"), load),
      faults.pause(of("pause"), load),
      faults.restartDatabase(of("database"), load),
      faults.breakConnections(of("connections"), load),
      this.#follow(of("followers"), load),
    ]);
    await Promise.race([sleep(milliseconds), working, this.#untilOver]);
    ending.abort();
    await Promise.race([working, this.#untilOver]);
  }

  /** Waits until nothing is left to be done. @throws Error that tells what is, when it takes longer. */
  async settle(milliseconds: number): Promise<void> {
    const end = performance.now() + milliseconds;
    for (;;) {
      const left = await this.cluster.query<{ what: string }>(leftSql, [this.cluster.nodes.length]);
      if (left.length === 0) break;
      if (performance.now() > end)
        throw new Error(`It does not come to rest:\n${left.map(({ what }) => what).join("\n")}`);
      await sleep(100);
    }
    this.#over.abort();
    await this.#untilOver;
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.cluster.stop();
    await this.vendor.close();
  }

  async #follow(chance: Chance, load: AbortSignal): Promise<void> {
    const url = () => chance.pick(this.cluster.nodes).url;
    while (!load.aborted && this.followed.size < followersMax) {
      const row = [...this.starts.accepted.keys()].at(-1);
      if (row !== undefined && !this.followed.has(row)) {
        this.followed.set(row, followRun({ url, token: adminToken, runId: globalId("Run", row) }));
      }
      await sleep(chance.between(200, 1_500));
    }
  }
}

// $1 how many nodes there are.
const leftSql = `
select concat_ws(' ', playbook.key, run.id, run.status, 'of', coalesce(node.written_by || ' as ' || node.id, 'nobody'), 'due', run.wake_at,
  'last:', (
    select string_agg(concat_ws(' ', sequence, step_id, attempt, label), ', ' order by sequence)
    from (select * from run_event where run_id = run.id order by sequence desc limit 6) as event
  )) as what
from run join playbook on playbook.id = run.playbook_id left join node on node.id = run.owner_id where finished_at is null
union all select 'event ' || key || ' is undispatched' from trigger_event where dispatched_at is null
union all select concat_ws(' ', 'for', run_id, 'still', type, body) from run_signal
union all select 'a tick that is due' from schedule where next_at <= now()
union all select count(*) || ' nodes are members' from node where left_at is null having count(*) <> $1`;
