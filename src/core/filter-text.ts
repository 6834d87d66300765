import { BadInputError } from "./failures.ts";
import { isStorableText } from "./json.ts";
import { limits } from "./limits.ts";

/** What a list is narrowed by that clients write as text. */
interface FilterTexts {
  readonly search?: string | null | undefined;
  readonly event?: string | null | undefined;
  readonly tags?: readonly string[] | null | undefined;
}

/** @throws BadInputError for texts or tags beyond their bounds, and for texts that no row can hold. */
export function requireFilterTexts({ search, event, tags }: FilterTexts): void {
  for (const text of [search, event, ...(tags ?? [])]) {
    if (text != null && (text.length > limits.nameLengthMax || !isStorableText(text))) {
      throw new BadInputError(`A filter's text is at most ${limits.nameLengthMax} characters long, without NUL.`);
    }
  }
  if (tags && tags.length > limits.tagsMax) throw new BadInputError(`A filter names at most ${limits.tagsMax} tags.`);
}

/** A pattern for ILIKE that finds the text as it is, anywhere. */
export function containing(text: string): string {
  return `%${text.replace(/[\\%_]/g, "\\$&")}%`;
}
