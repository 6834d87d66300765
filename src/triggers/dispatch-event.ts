import type { EntityManager } from "@mikro-orm/postgresql";
import { StateFailure } from "../core/failures.ts";
import type { JsonObject } from "../core/json.ts";
import { jsonBytes } from "../core/json-bytes.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { Playbook } from "../playbooks/entities.ts";
import { EventFields } from "../playbooks/event-fields.ts";
import type { Plan } from "../playbooks/plan.ts";
import type { PlaybookCatalogue } from "../playbooks/playbook-catalogue.ts";
import type { TriggerCatalogue, TriggerMatch } from "../playbooks/trigger-catalogue.ts";
import { compileConditions } from "../playbooks/trigger-match.ts";
import type { Chain } from "../runs/chain.ts";
import type { TriggerEvent } from "../runs/entities.ts";
import { type StartPorts, startRun } from "../runs/start-run.ts";
import type { TenantGate } from "../tenancy/disabled-tenants.ts";
import type { Actor } from "../tenancy/operation-context.ts";
import { chainRoom, startedBy, takeChained, tellHeldBack } from "./chain-bounds.ts";

export interface DispatchPorts extends StartPorts {
  readonly em: () => EntityManager;
  readonly playbooks: PlaybookCatalogue;
  readonly triggers: Pick<TriggerCatalogue, "match">;
  readonly tenants: TenantGate;
  readonly log: Log;
}

/**
 * Starts every playbook that an event triggers, each once, however often and wherever this is called for it. Never rejects: where
 * `dispatchedAt` of the answer is null, something could not start, and the event is to be dispatched again.
 */
export type Dispatch = (event: TriggerEvent) => Promise<TriggerEvent>;

/** Asks for the same event that come at once share one dispatch. */
export function createDispatch(ports: DispatchPorts): Dispatch {
  const underWay = new Map<string, Promise<TriggerEvent>>();
  return (event) => {
    const known = underWay.get(event.id);
    if (known) return known;
    const dispatched = dispatchLogged(ports, event).finally(() => underWay.delete(event.id));
    underWay.set(event.id, dispatched);
    return dispatched;
  };
}

async function dispatchLogged(ports: DispatchPorts, event: TriggerEvent): Promise<TriggerEvent> {
  try {
    const dispatchedAt = await dispatchEvent(ports, event);
    return dispatchedAt === "taken" ? event : Object.assign(event, { dispatchedAt });
  } catch (error) {
    const about = { eventId: event.id, type: event.type, reason: (error as Error).message };
    if (error instanceof StateFailure) ports.log.warn(about, "event.put_off");
    else ports.log.error(about, "event.dispatch_failed");
    return event;
  }
}

/** A playbook that is to start, with the plan of its active version. */
type Ready = TriggerMatch & { readonly plan: Plan };

/** @returns When it was dispatched, or that another is at it. @throws the first reason why not, after having started all that could start. */
async function dispatchEvent(ports: DispatchPorts, event: TriggerEvent): Promise<Date | "taken"> {
  const matched = await matchesOf(ports, event);
  const settled = await Promise.allSettled(
    matched.map(async (match): Promise<Ready> => {
      return { ...match, plan: await ports.playbooks.plan(event.tenantId, match.versionId) };
    }),
  );
  const ready = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const failures = reasonsOf(settled);
  const { chain } = event;
  if (chain) return startChained(ports, event, { chain, ready, failures });
  failures.push(...(await startAll(ports, event, ready)));
  if (failures.length > 0) throw failures[0];
  return setDispatched(ports.em(), event);
}

/**
 * A tick of a schedule is for its own playbook, where that is still enabled, still has a schedule, and does not pass this one over. An event of
 * a disabled tenant is for nobody, also once it is enabled again.
 */
async function matchesOf(
  { em, triggers, tenants }: DispatchPorts,
  event: TriggerEvent,
): Promise<readonly TriggerMatch[]> {
  const { tenantId, type, playbookId } = event;
  // Certain where it is passed over: this node may not have heard yet that the tenant was enabled.
  await (tenants.isDisabled(tenantId) ? tenants.renew() : tenants.believable());
  if (tenants.isDisabled(tenantId)) return [];
  if (playbookId == null) return triggers.match(tenantId, { type, data: event.data as JsonObject });
  const where = { id: playbookId, tenantId, enabled: true, event: "schedule" };
  const playbook = await em().findOne(Playbook, where, { disableIdentityMap: true });
  if (!playbook) return [];
  const { conditions = {} } = playbook.trigger;
  const isMeant = compileConditions(conditions as JsonObject)(
    new EventFields({ type, data: event.data as JsonObject }),
  );
  return isMeant ? [{ playbookId, playbookKey: playbook.key, versionId: playbook.activeVersionId }] : [];
}

interface Chained {
  readonly chain: Chain;
  readonly ready: readonly Ready[];
  readonly failures: unknown[];
}

// The runs of a chain are counted and started one event after the other, wherever they are dispatched. What its own completion held back
// was told there; what there is no room left for by now is told here.
function startChained(
  ports: DispatchPorts,
  event: TriggerEvent,
  { chain, ready, failures }: Chained,
): Promise<Date | "taken"> {
  return ports.em().transactional(async (em) => {
    const dispatched = await takeChained(em, event, chain);
    if (dispatched) return dispatched;
    const passed = new Set([...chain.playbookIds, ...(await startedBy(em, event))]);
    const isTooDeep = chain.depth > limits.chainDepthMax;
    const due = ready.filter(({ playbookId }) => !isTooDeep && !passed.has(playbookId));
    const room = await chainRoom(em, event.tenantId, chain.rootId);
    // Over other connections than the one that holds the locks: the runs are durable before it lets go.
    failures.push(...(await startAll(ports, event, due.slice(0, room))));
    if (failures.length > 0) throw failures[0];
    const heldBack = due.slice(room).map(({ playbookKey }) => playbookKey);
    if (heldBack.length > 0) {
      ports.log.warn({ eventId: event.id, rootId: chain.rootId, count: heldBack.length }, "chain.held_back");
      await tellHeldBack(em, event, heldBack);
    }
    return setDispatched(em, event);
  });
}

/** @returns Why some could not start; the others have. */
async function startAll(ports: DispatchPorts, event: TriggerEvent, ready: readonly Ready[]): Promise<unknown[]> {
  const reasons: unknown[] = [];
  // Noted for the journal, which writes it once for each of them.
  if (ready.length > 0) jsonBytes(event.data);
  for (let first = 0; first < ready.length; first += limits.dispatchStartsMax) {
    const part = ready.slice(first, first + limits.dispatchStartsMax);
    reasons.push(...reasonsOf(await Promise.allSettled(part.map((each) => startOne(ports, event, each)))));
  }
  return reasons;
}

function reasonsOf(settled: readonly PromiseSettledResult<unknown>[]): unknown[] {
  return settled.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
}

async function startOne(ports: DispatchPorts, event: TriggerEvent, ready: Ready): Promise<void> {
  const { id, tenantId, type, chain } = event;
  const { playbookId, versionId, plan } = ready;
  const ctx = { tenantId, actor: starterOf(event), roles: [], permissions: new Set<never>(), em: ports.em() };
  await startRun(ctx, ports, {
    kind: "PLAYBOOK",
    plan: { ...plan, kind: "PLAYBOOK" },
    playbookId,
    playbookVersionId: versionId,
    context: event.data as JsonObject,
    eventId: id,
    eventType: type,
    ...(chain ? { chain } : {}),
    // With blanks, which no caller's key has. Whatever has changed since, the run that was started first is the one.
    idempotencyKey: `event ${id} ${playbookId}`,
    input: { event: id, playbook: playbookId },
  });
}

/** The product, on behalf of whoever emitted the event or began the chain. */
function starterOf({ type, chain, playbookId, emittedById }: TriggerEvent): Actor {
  const name = chain ? `chain ${type}` : playbookId == null ? `event ${type}` : "schedule";
  return { kind: "SYSTEM", name, ...(emittedById == null ? {} : { id: emittedById }) };
}

async function setDispatched(em: EntityManager, { id, tenantId }: TriggerEvent): Promise<Date> {
  const sql = `update trigger_event set dispatched_at = coalesce(dispatched_at, now()) where id = ? and tenant_id = ?
    returning extract(epoch from dispatched_at) * 1000 as ms`;
  const [row] = await em.execute<{ ms: string }[]>(sql, [id, tenantId]);
  return new Date(Math.round(Number(row?.ms)));
}
