import { limits } from "../core/limits.ts";
import type { NewDispatch, Written } from "./dispatch-rows.ts";
import type { DispatchStore } from "./dispatch-store.ts";
import type { Governance, GovernanceQuestion } from "./governance.ts";

/**
 * Decides by what the tenant said last, and writes that down if the tenant still says so; else decides anew by what it says now.
 * @param begin Decides, and writes the dispatch with what is `expected`; undefined where the tenant has changed its mind too often to expect anything.
 */
export async function beginAsSaid<Result extends Pick<Written, "isOutdated">>(
  store: Pick<DispatchStore, "governance" | "readGovernance">,
  question: GovernanceQuestion,
  begin: (governance: Governance, expected: NewDispatch["expected"]) => Promise<Result>,
): Promise<Result> {
  for (let turn = 0; ; turn += 1) {
    const governance = await (turn === 0 ? store.governance(question) : store.readGovernance(question));
    const expected = turn < limits.governanceChangesMax ? { question, said: governance.said } : undefined;
    const begun = await begin(governance, expected);
    if (!begun.isOutdated) return begun;
  }
}
