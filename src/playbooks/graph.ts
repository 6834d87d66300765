import type { JsonObject } from "../core/json.ts";
import { type RouteKind, routesOf, stepSources, strategyOf } from "./routes.ts";

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
  readonly on: RouteKind;
  /** By a default, not by what the author wrote. */
  readonly isImplicit: boolean;
}

/** The picture of a plan: every step, and every way out of each, those that end the run included. */
export interface PlaybookGraph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

/** The graph of a document that `checkDocument` found nothing wrong with. */
export function graphOf(document: JsonObject): PlaybookGraph {
  const steps = stepSources(document);
  const ids = steps.map(({ id, index }) => id ?? `#${index + 1}`);
  const nodes = steps.map(({ index, fields }) => ({
    stepId: ids[index] as string,
    name: String(fields["name"]),
    type: typeOf(fields["type"]),
  }));
  const edges = routesOf(steps, strategyOf(document)).map(({ from, to, kind, written }) => ({
    from: ids[from] as string,
    to: to === null ? null : (ids[to] as string),
    on: kind,
    isImplicit: written === "left_out",
  }));
  return { nodes, edges };
}

function typeOf(type: unknown): StepType {
  return stepTypes.find((known) => known === String(type).toUpperCase()) ?? "ACTION";
}
