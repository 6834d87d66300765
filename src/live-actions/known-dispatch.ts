import { ConflictFailure } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { LiveActionDispatch } from "./entities.ts";
import type { Performer, PerformerPorts } from "./performer.ts";

export interface WaitPorts {
  readonly news: PerformerPorts["news"];
  readonly performer: Pick<Performer, "stopping">;
}

/** Dispatches are read as they are now: an identity map would answer what it read before. */
export const unshared = { disableIdentityMap: true } as const;

/**
 * The dispatch that a request made before, as it ended: whoever repeats one that is under way waits with it. One that waits for people is
 * answered as it is.
 * @throws ConflictFailure `request_conflict` where the request id was used with other arguments.
 */
export async function answerKnown(
  { em, tenantId }: OperationContext,
  { news, performer }: WaitPorts,
  { mode, requestId, inputHash }: Pick<LiveActionDispatch, "mode" | "requestId" | "inputHash">,
): Promise<LiveActionDispatch> {
  let wakeUp = () => {};
  let isNews = false;
  const tell = () => {
    isNews = true;
    wakeUp();
  };
  const leave = news.onTenant(tenantId, tell);
  performer.stopping.addEventListener("abort", tell);
  try {
    for (;;) {
      isNews = false;
      const known = await em.findOneOrFail(LiveActionDispatch, { tenantId, mode, requestId }, unshared);
      if (known.inputHash !== inputHash) throw conflict();
      if (known.state !== "RUNNING" || performer.stopping.aborted) return known;
      const timer = setTimeout(tell, limits.dispatchPollMs);
      if (!isNews) await new Promise<void>((resolve) => (wakeUp = resolve));
      clearTimeout(timer);
    }
  } finally {
    leave();
    performer.stopping.removeEventListener("abort", tell);
  }
}

function conflict(): ConflictFailure {
  const message = "This requestId was used for a live action with other arguments. Take a new one for a new request.";
  return new ConflictFailure("request_conflict", message);
}
