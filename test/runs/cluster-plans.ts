import type { Plan } from "../../src/playbooks/plan.ts";
import { actionStep, planOf } from "./walk-driver.ts";

const chain = (action: string, ids: readonly string[], rest = {}) =>
  planOf(ids.map((id, at) => actionStep(id, { actionId: action, onSuccess: ids[at + 1] ?? null, ...rest })));

export const napVersion = "0190a0f0-0000-7000-8000-0000000000a1";
export const holdVersion = "0190a0f0-0000-7000-8000-0000000000a2";
export const carefulVersion = "0190a0f0-0000-7000-8000-0000000000a3";

/** Plans that every process of a test's cluster knows, by version. */
export const clusterPlans: ReadonlyMap<string, Plan> = new Map([
  [napVersion, chain("nap", ["a", "b", "c"])],
  [holdVersion, chain("hold", ["a", "b"])],
  [carefulVersion, chain("hold", ["a"], { onInterrupt: "fail" })],
]);
