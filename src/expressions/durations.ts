import { limits } from "../core/limits.ts";
import { ExpressionSyntaxError } from "./syntax-error.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const PART = /(\d{1,15})(ms|s|m|h|d)/y;

/**
 * Milliseconds of a duration such as `90s`, `5m`, `4h`, `250ms`, `2d`, or a sum such as `1h30m`; whole numbers only.
 * @throws ExpressionSyntaxError also beyond `durationMsMax`.
 */
export function parseDuration(text: string): number {
  if (text.length === 0 || text.length > limits.durationLengthMax) throw unreadable(0);
  let ms = 0;
  for (let at = 0; at < text.length; at = PART.lastIndex) {
    PART.lastIndex = at;
    const part = PART.exec(text);
    if (!part) throw unreadable(at);
    ms += Number(part[1]) * (UNIT_MS[part[2] ?? ""] ?? Number.NaN);
    if (!(ms <= limits.durationMsMax)) {
      throw new ExpressionSyntaxError(`A duration is at most ${limits.durationMsMax / 86_400_000}d.`, at);
    }
  }
  return ms;
}

function unreadable(offset: number): ExpressionSyntaxError {
  return new ExpressionSyntaxError(
    "A duration is a whole number with a unit (ms, s, m, h, d), such as 90s, or a sum of them, such as 1h30m.",
    offset,
  );
}
