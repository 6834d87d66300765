import { limits } from "../core/limits.ts";

/** What a rendering or an evaluation has to say, each thing once and at most `warningsMax`. Names paths and kinds, never values: it goes into the journal. */
export class Warnings {
  readonly #texts = new Set<string>();

  add(text: string): void {
    if (this.#texts.size < limits.warningsMax) this.#texts.add(text);
  }

  list(): string[] {
    return [...this.#texts];
  }
}
