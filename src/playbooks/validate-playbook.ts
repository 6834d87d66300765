import type { Issue } from "../core/failures.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { checkDocument } from "./check-document.ts";
import { pinSteps } from "./check-pins.ts";
import { inOrder } from "./findings.ts";
import { graphOf, type PlaybookGraph } from "./graph.ts";
import { readSource } from "./source.ts";

export interface PlaybookValidationReport {
  readonly valid: boolean;
  readonly errors: readonly Issue[];
  readonly warnings: readonly Issue[];
  /** Undefined while the steps don't hold together. */
  readonly graph: PlaybookGraph | undefined;
}

/** Tells what registering the source would say, and changes nothing. */
export async function validatePlaybook(
  { em, tenantId }: OperationContext,
  { source: text }: { readonly source: string },
): Promise<PlaybookValidationReport> {
  const source = readSource(text);
  const checked = checkDocument(source);
  const pinned = await pinSteps(em, tenantId, source);
  const errors = inOrder([...checked.issues, ...pinned.issues]);
  return {
    valid: errors.length === 0,
    errors,
    warnings: inOrder([...checked.warnings, ...pinned.warnings]),
    graph: source.document && checked.issues.length === 0 ? graphOf(source.document) : undefined,
  };
}
