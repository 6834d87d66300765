import { setTimeout as sleep } from "node:timers/promises";
import { localId } from "../../../src/core/global-id.ts";
import type { Chance } from "./chance.ts";
import type { Clients } from "./clients.ts";
import { adminToken, type ChaosCluster } from "./cluster.ts";

const emitDocument = `mutation($input: EmitEventInput!) { answer: emitEvent(input: $input) {
  ... on EmitEventPayload { runs { id } } ... on Failure { code message } } }`;

/** What starts runs besides callers: events, each told several times and to all nodes, and ticks of a schedule. And what makes time pass. */
export class Triggers {
  /** Events that were answered for, by their key, with their severity. */
  readonly emitted = new Map<string, string>();
  /** Runs that the answers named, by the row's id. */
  readonly named = new Set<string>();
  /** Ticks that were made due, as milliseconds since 1970. */
  readonly ticks: number[] = [];
  readonly problems: string[] = [];
  readonly #cluster: ChaosCluster;
  readonly #clients: Clients;

  constructor(cluster: ChaosCluster, clients: Clients) {
    this.#cluster = cluster;
    this.#clients = clients;
  }

  async emit(chance: Chance, load: AbortSignal): Promise<void> {
    for (let count = 0; !load.aborted; count += 1) {
      const key = `${chance.name}-${count}`;
      const severity = chance.pick(["low", "critical"]);
      const input = { type: "finding.new", key, data: { finding: { id: key, severity } } };
      const question = { token: adminToken, document: emitDocument, variables: { input } };
      const times = Array.from({ length: chance.between(1, 4) });
      const answers = (await Promise.all(times.map(() => this.#clients.insist(chance, question)))).flat();
      for (const { code, message, runs } of answers) {
        if (code !== undefined) this.problems.push(`event ${key}: ${code} ${message}`);
        for (const { id } of runs ?? []) this.named.add(localId("Run", id) ?? id);
      }
      this.emitted.set(key, severity);
      await sleep(chance.between(100, 700));
    }
  }

  /** Makes a tick due each time the last one has been taken: its schedule would have it once a year. */
  async tick(chance: Chance, load: AbortSignal): Promise<void> {
    while (!load.aborted) {
      const [moved] = await this.#cluster.query<{ ms: string }>(dueSql);
      if (moved) this.ticks.push(Number(moved.ms));
      await sleep(chance.between(1_100, 1_600));
    }
  }

  /** Lets the minute of runs pass that sleep until it is over. */
  async age(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await this.#cluster.query(ageSql);
      await sleep(500);
    }
  }
}

const dueSql = `
update schedule set next_at = date_trunc('second', now()) where next_at > now()
returning extract(epoch from next_at) * 1000 as ms`;

// A run sleeps when nobody owns it: nobody has it in memory, with the time at which it began.
const ageSql = `
with asleep as materialized (
  select run.id from run join playbook on playbook.id = run.playbook_id
  where playbook.key = 'life' and run.wake_at > now() + interval '10 seconds' for update of run skip locked
), events as (
  update run_event set at = at - interval '1 minute', written_by = 'time' from asleep where run_id = asleep.id
)
update run set started_at = started_at - interval '1 minute', wake_at = now() from asleep where run.id = asleep.id`;
