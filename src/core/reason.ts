import { ValidationFailure } from "./failures.ts";
import { isStorableText } from "./json.ts";
import { limits } from "./limits.ts";

/** Checks a reason that people may give for what they do. @throws ValidationFailure for one that is too long or can't be stored. */
export function checkReason(reason: string | null | undefined): void {
  if (!isKeepable(reason)) throw invalid("reason");
}

/** The same where a reason has to be given. @throws ValidationFailure also for a blank one. */
export function requireReason(reason: string): void {
  checkReason(reason);
  if (reason.trim() === "") throw invalid("reason");
}

/** Checks a comment that people may add to a decision. @throws ValidationFailure for one that is too long or can't be stored. */
export function checkComment(comment: string | null | undefined): void {
  if (!isKeepable(comment)) throw invalid("comment");
}

function isKeepable(text: string | null | undefined): boolean {
  return text == null || (text.length <= limits.textLengthMax && isStorableText(text));
}

function invalid(name: "reason" | "comment"): ValidationFailure {
  const message = `A ${name} is a text of 1 to ${limits.textLengthMax} characters, without NUL.`;
  return new ValidationFailure([{ path: `$.${name}`, code: `invalid_${name}`, message }]);
}
