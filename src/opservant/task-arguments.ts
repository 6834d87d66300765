import type { Json } from "../core/json.ts";
import type { Sealer } from "../secrets/seal.ts";

/** What a task is done with: kept encrypted until it ends. */
export interface TaskArguments {
  /** Every argument, secrets among them, as the script reads them from stdin. */
  readonly arguments: Readonly<Record<string, Json>>;
  /** Names of the declared parameters in their order. */
  readonly parameterNames: readonly string[];
  /** Which of them are secrets: never in argv. */
  readonly secretNames: readonly string[];
  /** Plain values that must not come back. */
  readonly secrets: readonly string[];
}

interface TaskRef {
  readonly id: string;
  readonly tenantId: string;
}

export function sealTaskArguments(sealer: Sealer, task: TaskRef, given: TaskArguments): Promise<string> {
  return sealer.seal(JSON.stringify(given), sealedFor(task));
}

/** @throws StateFailure as the sealer does. */
export async function openTaskArguments(sealer: Sealer, task: TaskRef, sealed: string): Promise<TaskArguments> {
  return JSON.parse(await sealer.open(sealed, sealedFor(task)));
}

function sealedFor({ id, tenantId }: TaskRef) {
  return { tenantId, purpose: `agent_task:${id}` };
}
