import vm from "node:vm";
import { RE2JS, RE2JSException, RE2JSSyntaxException } from "re2js";
import { ByteBoundedCache } from "../core/byte-bounded-cache.ts";
import { limits } from "../core/limits.ts";
import { patternSize } from "./pattern-size.ts";
import { ExpressionSyntaxError } from "./syntax-error.ts";

/** A compiled regular expression in RE2 syntax: linear in the text, so without backreferences and look-around. */
export interface Pattern {
  readonly text: string;
}

type CompiledPattern = Pattern & { readonly engine: RE2JS };

const compiled = new ByteBoundedCache<CompiledPattern>(limits.patternCacheBytesMax);
/** What the engine was seen to keep of a pattern that has searched a few texts: in all, and for each instruction. */
const PATTERN_BYTES = 8 * 1024;
const INSTRUCTION_BYTES = 300;

/**
 * Compiles a user's pattern.
 * @throws ExpressionSyntaxError for what RE2 can't read, and beyond `patternLengthMax` and `patternInstructionsMax`.
 * @see https://github.com/google/re2/wiki/Syntax
 */
export function compilePattern(text: string): Pattern {
  return keptPattern(text);
}

function keptPattern(text: string): CompiledPattern {
  const kept = compiled.get(text);
  if (kept) return kept;
  const fresh = compileAnew(text);
  compiled.set(text, fresh, PATTERN_BYTES + patternSize(text) * INSTRUCTION_BYTES);
  return fresh;
}

function compileAnew(text: string): CompiledPattern {
  if (text.length > limits.patternLengthMax) {
    throw new ExpressionSyntaxError(
      `A pattern is at most ${limits.patternLengthMax} characters long.`,
      limits.patternLengthMax,
    );
  }
  if (patternSize(text) > limits.patternInstructionsMax) {
    throw new ExpressionSyntaxError(
      `The repetitions of this pattern multiply to more than ${limits.patternInstructionsMax} steps.`,
      0,
    );
  }
  try {
    return { text, engine: RE2JS.compile(text) };
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) throw unreadable(text, error);
    // The parser's own bound on nesting shows as one of these.
    if (error instanceof RE2JSException || error instanceof RangeError) {
      throw new ExpressionSyntaxError("This pattern is too deeply nested.", 0);
    }
    throw error;
  }
}

function unreadable(text: string, error: RE2JSSyntaxException): ExpressionSyntaxError {
  const offset = error.input ? Math.max(text.indexOf(error.input), 0) : 0;
  const where = error.input ? ` at ${JSON.stringify(error.input.slice(0, 40))}` : "";
  return new ExpressionSyntaxError(
    `The pattern can't be read: ${error.error}${where}. Patterns follow RE2, without look-around and backreferences.`,
    offset,
  );
}

/**
 * Searches the text for the pattern, as JSON Schema does: anchors are the author's.
 * @returns undefined where the text is longer than `patternInputLengthMax` or the search takes longer than `patternMatchMs`.
 */
export function matchesPattern(pattern: Pattern, text: string): boolean | undefined {
  if (text.length > limits.patternInputLengthMax) return undefined;
  const { engine } = keptPattern(pattern.text);
  if (text.length <= limits.patternUnclockedLengthMax) return engine.test(text);
  try {
    return withinTime(() => engine.test(text));
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    // Whatever the engine was building when it was stopped is half made.
    compiled.delete(pattern.text);
    return undefined;
  }
}

// The one way to stop synchronous work in Node: code that is called from a script which has a timeout.
const clocked: { work: () => boolean } = { work: () => false };
const context = vm.createContext(clocked);
const callWork = new vm.Script("work()");

function withinTime(work: () => boolean): boolean {
  clocked.work = work;
  try {
    return callWork.runInContext(context, { timeout: limits.patternMatchMs }) as boolean;
  } finally {
    clocked.work = () => false;
  }
}
