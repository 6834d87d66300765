import type { Clock } from "../core/clock.ts";
import { Run, type TriggerEvent } from "../runs/entities.ts";
import { asShown } from "../runs/find-run.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import type { Dispatch } from "./dispatch-event.ts";
import { acceptEvent, type IncomingEvent, type Reading } from "./incoming-event.ts";
import { recordEvent } from "./record-event.ts";

export interface EmitPorts {
  readonly dispatch: Dispatch;
  readonly clock: Clock;
}

export interface EmittedEvent {
  readonly event: TriggerEvent;
  /** What it started, as far as `event.dispatchedAt` says that it has. */
  readonly runs: readonly Run[];
}

/**
 * Tells that something happened, and starts each enabled playbook that it triggers, once. The event is durable before the first of them
 * starts: where one can't start now, some node makes up for it. Delivered again, the same event answers with what it started the first time.
 * @throws ValidationFailure with every problem at once; ConflictFailure `event_conflict`.
 */
export async function emitEvent(
  ctx: OperationContext,
  { dispatch, clock }: EmitPorts,
  incoming: IncomingEvent,
  reading?: Reading,
): Promise<EmittedEvent> {
  const { type, key, data, at = clock.now() } = acceptEvent(incoming, reading);
  const emitted = { type, key, data, at, by: ctx.actor, operation: "emitEvent" };
  const recorded = await recordEvent(ctx.em, ctx.tenantId, emitted);
  const event = recorded.dispatchedAt == null ? await dispatch(recorded) : recorded;
  const runs = await ctx.em.find(
    Run,
    // What somebody ran again is not what the event started.
    { tenantId: ctx.tenantId, eventId: event.id, rerunOfId: null },
    { ...asShown, orderBy: { id: "asc" } },
  );
  return { event, runs };
}
