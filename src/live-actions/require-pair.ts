import { type Issue, ValidationFailure } from "../core/failures.ts";
import { isStorableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";

/** What may name a capability or a vendor, in whatever a tenant says about them. @returns What is wrong. */
export function pairIssues(pair: { readonly capability: string; readonly vendorId: string | null }): Issue[] {
  return Object.entries(pair).flatMap(([name, text]) => {
    if (text === null || (text !== "" && text.length <= limits.nameLengthMax && isStorableText(text))) return [];
    const message = `A ${name} has 1 to ${limits.nameLengthMax} characters, without NUL.`;
    return [{ path: `$.${name}`, code: "invalid_name", message }];
  });
}

/** @throws ValidationFailure for what may name neither. */
export function requirePair(pair: { readonly capability: string; readonly vendorId: string | null }): void {
  const issues = pairIssues(pair);
  if (issues.length > 0) throw new ValidationFailure(issues);
}
