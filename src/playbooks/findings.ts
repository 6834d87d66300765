import type { Issue } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import type { Part, Position, SourceMap } from "./source-map.ts";

export interface Finding {
  readonly path: string;
  readonly code: string;
  readonly message: string;
  /** Whether the key or the value is meant; the value when left out. */
  readonly part?: Part;
  /** A place of its own, such as a character within an expression. */
  readonly at?: Position;
}

/** What the checks of one document find, in the order of the text. */
export class Findings {
  readonly map: SourceMap;
  readonly #problems = new Map<string, Issue>();
  readonly #warnings: Issue[] = [];

  constructor(map: SourceMap) {
    this.map = map;
  }

  /** One problem for each path: what a later check says of a value that is wrong already is a consequence. */
  problem(finding: Finding): void {
    if (!this.hasProblem(finding.path)) this.#problems.set(finding.path, this.#issue(finding));
  }

  warning(finding: Finding): void {
    if (this.#warnings.length < limits.issuesMax) this.#warnings.push(this.#issue(finding));
  }

  /** Problems that were found elsewhere and have their place. */
  add(issues: readonly Issue[]): void {
    for (const issue of issues) if (!this.hasProblem(issue.path)) this.#problems.set(issue.path, issue);
  }

  hasProblem(path: string): boolean {
    return this.#problems.has(path);
  }

  issues(): Issue[] {
    return inOrder([...this.#problems.values()]).slice(0, limits.issuesMax);
  }

  /** Without those about a value that is a problem anyway. */
  warnings(others: readonly Issue[] = []): Issue[] {
    return inOrder([...others, ...this.#warnings].filter(({ path }) => !this.hasProblem(path))).slice(
      0,
      limits.issuesMax,
    );
  }

  #issue({ path, code, message, part, at }: Finding): Issue {
    return { path, code, message, ...(at ?? this.map.at(path, part)) };
  }
}

/** By their place in the text. */
export function inOrder(issues: readonly Issue[]): Issue[] {
  return [...issues].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}
