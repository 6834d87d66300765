import { z } from "zod";
import { limits } from "../../core/limits.ts";
import type { AdapterCall, RequestProblem } from "../adapter.ts";
import { type FailedResult, failed } from "../vendor-answer.ts";
import { VendorError } from "../vendor-http.ts";
import { callDefender, odataText } from "./defender-api.ts";

export interface Machine {
  /** 40 hex digits. */
  readonly id: string;
  readonly name: string;
}

export const machineIdPattern = /^[0-9a-f]{40}$/i;

const machineShape = z.object({
  id: z.string().regex(machineIdPattern),
  computerDnsName: z.string().nullish(),
  healthStatus: z.string().nullish(),
});

/** What is wrong with a machine as it was named. */
export function checkMachine(target: string): RequestProblem | undefined {
  if (/^[^\p{C}\p{Zl}\p{Zp}]{1,255}$/u.test(target) && target.trim() === target) return undefined;
  const message = "The target is the full DNS name of a machine, 1 to 255 characters, or its id of 40 hex digits.";
  return { error: "invalid_target", message };
}

/**
 * The one machine of a DNS name, or of an id (40 hex digits). Machines that were set up anew leave inactive ones of the same name behind,
 * for as long as data is kept: of several, the only active one is meant.
 * @see learn.microsoft.com/defender-endpoint/api/get-machines, 2026-11: 404 where there are none.
 */
export async function findMachine(call: AdapterCall, target: string): Promise<Machine | FailedResult> {
  const isId = machineIdPattern.test(target);
  const wanted = target.toLowerCase();
  const found = (await listMachines(call, isId ? `id eq ${odataText(wanted)}` : nameFilter(target))).filter(
    ({ id, computerDnsName }) => (isId ? id : computerDnsName)?.toLowerCase() === wanted,
  );
  const active = found.filter(({ healthStatus }) => healthStatus === "Active");
  const [machine, ...others] = active.length === 1 ? active : found;
  if (!machine) {
    const summary = `Defender knows no machine ${target}. Its DNS name has to be given in full.`;
    return failed("target_not_found", summary, { hostname: target });
  }
  if (others.length > 0) {
    const summary = `Defender knows ${found.length} machines ${target}. Give the id of the one that is meant.`;
    return failed("ambiguous_target", summary, { hostname: target, machine_ids: found.map(({ id }) => id) });
  }
  return { id: machine.id, name: machine.computerDnsName ?? target };
}

/** Names are kept in lower case as far as they can be seen; nothing says so. */
function nameFilter(name: string): string {
  const spellings = [...new Set([name, name.toLowerCase()])];
  return spellings.map((spelling) => `computerDnsName eq ${odataText(spelling)}`).join(" or ");
}

async function listMachines(call: AdapterCall, filter: string): Promise<readonly z.infer<typeof machineShape>[]> {
  const query = { $filter: filter, $top: String(limits.vendorMatchesMax) };
  try {
    const request = { method: "GET", path: "/api/machines", query } as const;
    return (await callDefender(call, request, z.object({ value: z.array(machineShape) }))).value;
  } catch (error) {
    if (error instanceof VendorError && error.status === 404) return [];
    throw error;
  }
}
