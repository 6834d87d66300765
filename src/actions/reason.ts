import { ValidationFailure } from "../core/failures.ts";
import { limits } from "../core/limits.ts";

/** A reason that people write. @throws ValidationFailure for one that is empty, too long or can't be stored. */
export function requireReason(reason: string): void {
  const isGood = reason.trim() !== "" && reason.length <= limits.textLengthMax;
  if (isGood && reason.isWellFormed() && !reason.includes("\u0000")) return;
  const message = `A reason is a text of 1 to ${limits.textLengthMax} characters.`;
  throw new ValidationFailure([{ path: "$.reason", code: "invalid_reason", message }]);
}
