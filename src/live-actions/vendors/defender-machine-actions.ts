import { z } from "zod";
import type { JsonObject } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { AdapterCall, AdapterResult } from "../adapter.ts";
import { awaitCompletion } from "../await-completion.ts";
import { type FailedResult, failed } from "../vendor-answer.ts";
import { callDefender, odataText } from "./defender-api.ts";
import type { Machine } from "./defender-machines.ts";

export interface ActionRequest {
  /** As Defender lists it. */
  readonly type: "Isolate" | "Unisolate" | "RunAntiVirusScan";
  /** The last segment of the path that asks for it. */
  readonly verb: "isolate" | "unisolate" | "runAntiVirusScan";
  /** `Full`, `Quick`, …; undefined where there is only one. */
  readonly scope?: string;
  readonly json: JsonObject;
  /** For summaries: `isolate X` and `X is isolated`. */
  readonly words: { readonly toDo: string; readonly done: string };
}

const actionShape = z.object({
  id: z.string().regex(/^[\w-]{1,100}$/),
  type: z.string(),
  scope: z.string().nullish(),
  status: z.string(),
});
type MachineAction = z.infer<typeof actionShape>;

const underWay: readonly string[] = ["Pending", "InProgress"];

/**
 * Has Defender do something to a machine, and waits for it within bounds. One that is under way already is followed: a second isolation may
 * stay pending for ever (microsoft-365-docs, issue 5903), and for a second scan the answer is 400 or the first one again (run-av-scan).
 * @see learn.microsoft.com/defender-endpoint/api/machineaction, 2026-11, for the states.
 */
export async function act(call: AdapterCall, machine: Machine, request: ActionRequest): Promise<AdapterResult> {
  const running = await findRunning(call, machine, request.type);
  if (running && request.scope !== undefined && running.scope !== request.scope) return otherScope(machine, running);
  const action = running ?? (await start(call, machine, request));
  const path = `/api/machineactions/${action.id}`;
  const { last = action, warnings } = await awaitCompletion(
    call.http,
    () => callDefender(call, { method: "GET", path }, actionShape),
    { isOver: ({ status }) => !underWay.includes(status) },
  );
  const details = {
    machine_id: machine.id,
    hostname: machine.name,
    mde_action_id: action.id,
    mde_action_status: last.status,
    joined: running !== undefined,
  };
  return resultOf(machine, request, { status: last.status, details, warnings });
}

interface Outcome {
  readonly status: string;
  readonly details: JsonObject;
  readonly warnings: readonly string[];
}

function resultOf(machine: Machine, { words }: ActionRequest, { status, details, warnings }: Outcome): AdapterResult {
  if (status === "Succeeded") {
    const summary = `${machine.name} ${words.done}.`;
    return { status: "SUCCEEDED", summary, details, completion: "confirmed", warnings };
  }
  if (underWay.includes(status)) {
    const summary = `Defender accepted to ${words.toDo} ${machine.name}; the machine has not confirmed it yet.`;
    return { status: "SUCCEEDED", summary, details, completion: "accepted", warnings };
  }
  return failed("machine_action_failed", `Defender could not ${words.toDo} ${machine.name}: ${status}.`, details);
}

async function findRunning(
  call: AdapterCall,
  { id }: Machine,
  type: ActionRequest["type"],
): Promise<MachineAction | undefined> {
  const $filter = `machineId eq ${odataText(id)} and type eq ${odataText(type)}`;
  const { value } = await callDefender(
    call,
    { method: "GET", path: "/api/machineactions", query: { $filter, $top: String(limits.vendorMatchesMax) } },
    z.object({ value: z.array(actionShape) }),
  );
  return value.find((action) => action.type === type && underWay.includes(action.status));
}

function start(call: AdapterCall, { id }: Machine, { verb, json }: ActionRequest): Promise<MachineAction> {
  const comment = `Riposte, live action ${call.requestId}`;
  const path = `/api/machines/${id}/${verb}`;
  return callDefender(call, { method: "POST", path, json: { Comment: comment, ...json } }, actionShape);
}

function otherScope({ id, name }: Machine, running: MachineAction): FailedResult {
  const summary = `${name} is busy with the same of another kind (${running.scope ?? "unknown"}). Try again when it is over.`;
  return failed("already_in_progress", summary, { machine_id: id, hostname: name, mde_action_id: running.id });
}
