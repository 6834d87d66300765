import type { EntityManager } from "@mikro-orm/postgresql";
import { ByteBoundedCache } from "../core/byte-bounded-cache.ts";
import type { Clock } from "../core/clock.ts";
import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { sliced } from "../core/sliced.ts";
import type { OccurredEvent } from "./event-fields.ts";
import { playbookChangeNumber } from "./playbook-change.ts";
import { indexTriggers, type TriggerIndex } from "./trigger-index.ts";

export type { OccurredEvent } from "./event-fields.ts";

/** A playbook that an event triggers, and its active version. */
export interface TriggerMatch {
  readonly playbookId: string;
  readonly playbookKey: string;
  readonly versionId: string;
}

/** Which enabled playbooks an event triggers. One for the whole process. */
export interface TriggerCatalogue {
  /** As of now: asks first whether something has changed. */
  match(tenantId: string, event: OccurredEvent): Promise<readonly TriggerMatch[]>;
  /** At once where what is remembered was true `actionBelievedMs` ago or later and no notification told otherwise, else as a promise. */
  matchRemembered(tenantId: string, event: OccurredEvent): readonly TriggerMatch[] | Promise<readonly TriggerMatch[]>;
  /** Asks again before it answers from memory: something of the tenant's was changed, here or (by notification) on another node. */
  forget(tenantId: string): void;
  /** The same for all tenants: notifications may have been lost. */
  forgetAll(): void;
}

interface CataloguePorts {
  /** A fork for one read. */
  readonly em: () => EntityManager;
  readonly clock: Clock;
}

/** A tenant's triggers, as they were at one change number. */
interface Triggers {
  readonly number: number;
  readonly byEvent: ReadonlyMap<string, TriggerIndex<TriggerMatch>>;
  readonly bytes: number;
  /** When this was last known to be true. */
  trueAtMs: number;
}

export function createTriggerCatalogue({ em, clock }: CataloguePorts): TriggerCatalogue {
  const kept = new ByteBoundedCache<Triggers>(limits.triggerCacheBytesMax);
  const reading = new Map<string, Promise<Triggers>>();
  const asking = new Map<string, Promise<Triggers>>();
  let forgottenTimes = 0;

  const read = async (tenantId: string): Promise<Triggers> => {
    try {
      const triggers = await readTriggers(em(), tenantId);
      kept.set(tenantId, triggers, triggers.bytes);
      return triggers;
    } finally {
      reading.delete(tenantId);
    }
  };
  const readShared = (tenantId: string): Promise<Triggers> => {
    const known = reading.get(tenantId) ?? read(tenantId);
    reading.set(tenantId, known);
    return known;
  };
  /** The triggers as they are at some moment from the call on. */
  const presentTriggers = async (tenantId: string): Promise<Triggers> => {
    const [startMs, forgottenBefore] = [clock.now().getTime(), forgottenTimes];
    const number = await playbookChangeNumber(em(), tenantId);
    let triggers = kept.get(tenantId);
    // What others are reading may have begun before the change.
    while (!triggers || triggers.number < number) triggers = await readShared(tenantId);
    if (forgottenTimes === forgottenBefore) triggers.trueAtMs = Math.max(triggers.trueAtMs, startMs);
    return triggers;
  };
  const ask = (tenantId: string): Promise<Triggers> => {
    const answer: Promise<Triggers> = presentTriggers(tenantId).finally(() => {
      if (asking.get(tenantId) === answer) asking.delete(tenantId);
    });
    asking.set(tenantId, answer);
    return answer;
  };

  return {
    match: async (tenantId, event) => matchesOf(await presentTriggers(tenantId), event),
    matchRemembered(tenantId, event) {
      const known = kept.get(tenantId);
      if (known && Math.abs(clock.now().getTime() - known.trueAtMs) < limits.actionBelievedMs) {
        return matchesOf(known, event);
      }
      return (asking.get(tenantId) ?? ask(tenantId)).then((triggers) => matchesOf(triggers, event));
    },
    forget(tenantId) {
      forgottenTimes++;
      asking.delete(tenantId);
      const known = kept.get(tenantId);
      if (known) known.trueAtMs = never;
    },
    forgetAll() {
      forgottenTimes++;
      asking.clear();
      kept.deleteWhere(() => true);
    },
  };
}

const never = Number.NEGATIVE_INFINITY;
const none: readonly TriggerMatch[] = [];

function matchesOf(
  { byEvent }: Triggers,
  event: OccurredEvent,
): readonly TriggerMatch[] | Promise<readonly TriggerMatch[]> {
  const index = byEvent.get(event.type);
  return index ? sliced(index.matching(event), limits.triggerSliceMs) : none;
}

interface TriggerRow extends TriggerMatch {
  readonly number: string | number;
  readonly event: string;
  readonly conditions: JsonObject | null;
}

// The number and the playbooks by one statement, so that they belong together.
const triggersSql = `
select coalesce(change.number, 0) as number, playbook.id as "playbookId", playbook.key as "playbookKey",
  playbook.active_version_id as "versionId", playbook.event, playbook.trigger->'conditions' as conditions
from (select (select number from playbook_change where tenant_id = ?) as number) as change
left join playbook on playbook.tenant_id = ? and playbook.enabled and playbook.event not in ('manual', 'schedule')
order by playbook.id`;

async function readTriggers(em: EntityManager, tenantId: string): Promise<Triggers> {
  const rows = await em.execute<(TriggerRow | (Pick<TriggerRow, "number"> & { playbookId: null }))[]>(triggersSql, [
    tenantId,
    tenantId,
  ]);
  const number = Number(rows[0]?.number ?? 0);
  const found = rows.filter((row): row is TriggerRow => row.playbookId !== null);
  const byEvent = await sliced(indexing(found), limits.triggerSliceMs);
  const bytes = [...byEvent.values()].reduce((sum, index) => sum + index.bytes, 0);
  return { number, byEvent, bytes, trueAtMs: never };
}

function* indexing(rows: readonly TriggerRow[]): Generator<void, Map<string, TriggerIndex<TriggerMatch>>> {
  const byEvent = new Map<string, TriggerIndex<TriggerMatch>>();
  for (const [event, triggers] of Map.groupBy(rows, (row) => row.event)) {
    const index = indexTriggers(
      triggers.map(({ conditions, playbookId, playbookKey, versionId }) => ({
        conditions: conditions ?? {},
        value: { playbookId, playbookKey, versionId },
      })),
    );
    byEvent.set(event, yield* index);
  }
  return byEvent;
}
