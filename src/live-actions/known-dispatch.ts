import { ConflictFailure } from "../core/failures.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { unshared } from "./dispatch-rows.ts";
import type { DispatchWatch } from "./dispatch-watch.ts";
import { LiveActionDispatch } from "./entities.ts";
import type { Performer } from "./performer.ts";

interface WaitPorts {
  readonly watch: DispatchWatch;
  readonly performer: Pick<Performer, "stopping">;
}

/**
 * The dispatch that a request made before, as it ended: whoever repeats one that is under way waits with it. One that waits for people is
 * answered as it is; on a node that stops, so is one that runs.
 * @throws ConflictFailure `request_conflict` where the request id was used with other arguments.
 */
export async function answerKnown(
  { em, tenantId }: OperationContext,
  { watch, performer }: WaitPorts,
  { mode, requestId, inputHash }: Pick<LiveActionDispatch, "mode" | "requestId" | "inputHash">,
): Promise<LiveActionDispatch> {
  const read = () => em.findOneOrFail(LiveActionDispatch, { tenantId, mode, requestId }, unshared);
  const known = await read();
  if (known.inputHash !== inputHash) throw conflict();
  if (known.state !== "RUNNING") return known;
  return (await watch.ended(known, performer.stopping)) ?? read();
}

function conflict(): ConflictFailure {
  const message = "This requestId was used for a live action with other arguments. Take a new one for a new request.";
  return new ConflictFailure("request_conflict", message);
}
