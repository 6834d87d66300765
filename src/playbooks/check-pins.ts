import type { EntityManager } from "@mikro-orm/postgresql";
import type { ActionDefinition } from "../actions/definition.ts";
import { pinReference, resolvePinned } from "../actions/resolve-version.ts";
import { DomainFailure, type Issue } from "../core/failures.ts";
import { shown } from "../core/json-path.ts";
import { limits } from "../core/limits.ts";
import { checkArguments } from "./check-arguments.ts";
import type { Pin } from "./entities.ts";
import { Findings } from "./findings.ts";
import type { Source } from "./source.ts";
import { stepSources, withBranches } from "./step-source.ts";

/** What the references of a document lead to, as far as they do. */
export interface PinnedSteps {
  readonly pins: readonly Pin[];
  readonly issues: readonly Issue[];
  readonly warnings: readonly Issue[];
}

/**
 * Pins the reference of every action, steps and branches alike, and checks its parameters against what the action declares. Only what is certain
 * to fail when the step runs is an issue: a line of versions never changes its parameters, so that is known here.
 * Also for documents that are not valid otherwise, so that everything is told at once.
 */
export async function pinSteps(em: EntityManager, tenantId: string, source: Source): Promise<PinnedSteps> {
  const findings = new Findings(source.map);
  const pins: Pin[] = [];
  const known = new Map<string, Resolved>();
  const steps = withBranches(stepSources(source.document ?? {}));
  if (steps.length > limits.playbookStepsMax) return { pins, issues: [], warnings: [] };
  for (const step of steps) {
    const ref = step.fields["action_ref"];
    if (step.type !== "action" || typeof ref !== "string" || ref === "") continue;
    const resolved = known.get(ref) ?? (await resolve(em, tenantId, ref));
    known.set(ref, resolved);
    if ("code" in resolved) {
      findings.problem({
        path: `${step.path}.action_ref`,
        code: resolved.code,
        message: `${shown(ref)}: ${resolved.message}`,
      });
      continue;
    }
    const { actionId, actionRef, definition } = resolved;
    if (step.id !== undefined) pins.push({ stepId: step.id, actionRef, actionId });
    checkArguments(step, definition, findings);
  }
  return { pins, issues: findings.issues(), warnings: findings.warnings() };
}

type Resolved = Issue | (Omit<Pin, "stepId"> & { readonly definition: ActionDefinition });

async function resolve(em: EntityManager, tenantId: string, ref: string): Promise<Resolved> {
  const pinned = await pinReference(em, tenantId, ref);
  if ("code" in pinned) return pinned;
  try {
    const { definition } = await resolvePinned(em, tenantId, pinned);
    return { ...pinned, definition };
  } catch (error) {
    // Withdrawn since the line above.
    if (error instanceof DomainFailure) return { path: "$", code: error.code, message: error.message };
    throw error;
  }
}
