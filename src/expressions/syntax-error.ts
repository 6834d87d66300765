import { DomainFailure } from "../core/failures.ts";

/** A template, expression, pattern or duration that can't be read. The message says what to write instead. */
export class ExpressionSyntaxError extends DomainFailure {
  /** Where it went wrong: UTF-16 units from the beginning of the text, from 0 to its length. */
  readonly offset: number;
  constructor(message: string, offset: number) {
    super("expression_syntax", message);
    this.offset = offset;
  }
}
