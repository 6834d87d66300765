import { ValidationFailure } from "./failures.ts";
import { isStorableText } from "./json.ts";
import { limits } from "./limits.ts";

/** Checks a reason that people may give for what they do. @throws ValidationFailure for one that is too long or can't be stored. */
export function checkReason(reason: string | null | undefined): void {
  if (reason != null && (reason.length > limits.textLengthMax || !isStorableText(reason))) throw invalidReason();
}

/** The same where a reason has to be given. @throws ValidationFailure also for a blank one. */
export function requireReason(reason: string): void {
  checkReason(reason);
  if (reason.trim() === "") throw invalidReason();
}

function invalidReason(): ValidationFailure {
  const message = `A reason is a text of 1 to ${limits.textLengthMax} characters, without NUL.`;
  return new ValidationFailure([{ path: "$.reason", code: "invalid_reason", message }]);
}
