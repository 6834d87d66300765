import type { JsonObject } from "../core/json.ts";
import { type RouteKind, routesOf, strategyOf } from "./routes.ts";
import { branchesOf, type StepSource, stepSources, withBranches } from "./step-source.ts";

/** Every type of step, as the API names it. */
export const stepTypes = ["ACTION", "LIVE_ACTION", "CONDITION", "PARALLEL", "DELAY", "APPROVAL"] as const;
export type StepType = (typeof stepTypes)[number];

export interface GraphNode {
  readonly stepId: string;
  readonly name: string;
  readonly type: StepType;
}

export interface GraphEdge {
  readonly from: string;
  /** Null where the edge ends the run. */
  readonly to: string | null;
  /** BRANCH leads from a parallel step to a branch, JOIN back. */
  readonly on: RouteKind | "BRANCH" | "JOIN";
  /** By a default, not by what the author wrote. */
  readonly isImplicit: boolean;
}

/** The picture of a plan: every step, branches behind their parallel step, and every way out of each, those that end the run included. */
export interface PlaybookGraph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

/** The graph of a document that `checkDocument` found nothing wrong with. */
export function graphOf(document: JsonObject): PlaybookGraph {
  const steps = stepSources(document);
  const nodes = withBranches(steps).map((step) => ({
    stepId: idOf(step),
    name: String(step.fields["name"] ?? idOf(step)),
    type: typeOf(step),
  }));
  const routes = Map.groupBy(routesOf(steps, strategyOf(document)), ({ from }) => from);
  const edges = steps.flatMap((step) => [
    ...branchEdges(step),
    ...(routes.get(step.index) ?? []).map(({ to, kind, written }) => ({
      from: idOf(step),
      to: idAt(steps, to),
      on: kind,
      isImplicit: written === "left_out",
    })),
  ]);
  return { nodes, edges };
}

function branchEdges(parallel: StepSource): GraphEdge[] {
  const id = idOf(parallel);
  return branchesOf(parallel).flatMap((branch) => [
    { from: id, to: idOf(branch), on: "BRANCH", isImplicit: false },
    { from: idOf(branch), to: id, on: "JOIN", isImplicit: false },
  ]);
}

function idAt(steps: readonly StepSource[], index: number | null): string | null {
  const step = index === null ? undefined : steps[index];
  return step ? idOf(step) : null;
}

function idOf({ id, path }: StepSource): string {
  return id ?? path;
}

function typeOf({ type }: StepSource): StepType {
  return stepTypes.find((known) => known === type.toUpperCase()) ?? "ACTION";
}
