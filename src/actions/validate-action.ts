import { type Issue, ValidationFailure } from "../core/failures.ts";
import type { Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { PackageFile } from "../executors/executor.ts";
import { checkDefinition } from "./check-definition.ts";
import type { ActionDefinition } from "./definition.ts";
import { type PackageFileInput, readPackage } from "./package.ts";

/** A definition as it comes in, and the files of its package. */
export interface DefinitionInput {
  readonly definition?: Json | undefined;
  readonly files?: readonly PackageFileInput[] | null | undefined;
}

export interface ValidatedAction {
  /** Every problem of the definition and the files, at most `limits.issuesMax`; empty for good ones. */
  readonly issues: readonly Issue[];
  readonly warnings: readonly Issue[];
  /** There when there are no issues. */
  readonly definition?: ActionDefinition;
  readonly files: readonly PackageFile[];
}

/** Checks a definition with its package, and registers nothing. What depends on other actions and versions is checked when it is registered. */
export function validateAction({ definition, files }: DefinitionInput): ValidatedAction {
  const read = readPackage(files ?? []);
  const checked = checkDefinition(definition, read.files);
  const issues = [...checked.issues, ...read.issues].slice(0, limits.issuesMax);
  if (issues.length > 0 || !checked.definition) return { issues, warnings: checked.warnings, files: [] };
  return { issues, warnings: checked.warnings, definition: checked.definition, files: read.files };
}

/** The same for who needs a good one. @throws ValidationFailure with every problem. */
export function requireValidAction(input: DefinitionInput) {
  const { issues, warnings, definition, files } = validateAction(input);
  if (!definition) throw new ValidationFailure(issues);
  return { definition, files, warnings };
}
