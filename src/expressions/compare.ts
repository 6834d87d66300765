import { liesWithin, readNetwork } from "./networks.ts";
import { compilePattern, matchesPattern } from "./patterns.ts";
import { ExpressionSyntaxError } from "./syntax-error.ts";

/** True, false, or undefined for unknown: the values can't be compared. */
export type Truth = boolean | undefined;

export type Operator = "==" | "!=" | ">" | ">=" | "<" | "<=" | "contains" | "in" | "matches";

/** Lowest first. The scores are the lower edges of the CVSS v3 bands. */
const SEVERITIES: ReadonlyMap<string, { readonly rank: number; readonly score: number }> = new Map([
  ["info", { rank: 0, score: 0 }],
  ["low", { rank: 1, score: 0.1 }],
  ["medium", { rank: 2, score: 4 }],
  ["high", { rank: 3, score: 7 }],
  ["critical", { rank: 4, score: 9 }],
]);

/** Data from vendors nests less; deeper values are unknown rather than a stack overflow. */
const COMPARED_DEPTH_MAX = 200;
/** Up to here the engine's own search is at worst as slow as reading 10 MB. */
const NATIVE_SEARCH_STEPS_MAX = 10_000_000;

/** Rank and CVSS score of info, low, medium, high or critical in any case; undefined for every other value. */
export function severityOf(value: unknown): { readonly rank: number; readonly score: number } | undefined {
  // The length spares a long text its lower-casing.
  return typeof value === "string" && value.length <= 8 ? SEVERITIES.get(value.toLowerCase()) : undefined;
}

/**
 * Compares two values of JSON; undefined stands for a value that was not found, which is equal to null and unknown beside
 * everything else. Never throws: a pattern that can't be read is unknown, too.
 */
export function compareValues(left: unknown, operator: Operator, right: unknown): Truth {
  switch (operator) {
    case "==":
      return isEqual(left, right);
    case "!=":
      return negate(isEqual(left, right));
    case ">":
      return ordered(left, right, (order) => order > 0);
    case ">=":
      return ordered(left, right, (order) => order >= 0);
    case "<":
      return ordered(left, right, (order) => order < 0);
    case "<=":
      return ordered(left, right, (order) => order <= 0);
    case "contains":
      return holds(left, right);
    case "in":
      return holds(right, left);
    case "matches":
      return isMatch(left, right);
    default:
      return operator satisfies never;
  }
}

/** The opposite; of unknown, unknown. */
export function negate(truth: Truth): Truth {
  return truth === undefined ? undefined : !truth;
}

/** True as soon as one is; false if all are; else unknown. By De Morgan it serves "all" as well as "any". */
export function someTruth<Part>(parts: readonly Part[], truthOfPart: (part: Part) => Truth): Truth {
  let answer: Truth = false;
  for (const part of parts) {
    const truth = truthOfPart(part);
    if (truth === true) return true;
    if (truth === undefined) answer = undefined;
  }
  return answer;
}

function ordered(left: unknown, right: unknown, test: (order: number) => boolean): Truth {
  const order = orderOf(left, right);
  return order === undefined ? undefined : test(order);
}

/**
 * Below zero, zero or above, as `left` comes before, with or after `right`: numbers by value, severity words by rank,
 * a word against a number by its score, other texts by their characters. Undefined for all else.
 */
export function orderOf(left: unknown, right: unknown): number | undefined {
  const leftSeverity = severityOf(left);
  const rightSeverity = severityOf(right);
  if (leftSeverity && rightSeverity) return leftSeverity.rank - rightSeverity.rank;
  if (typeof left === "string" && typeof right === "string") {
    if (leftSeverity || rightSeverity) return undefined;
    return left < right ? -1 : Number(left > right);
  }
  const leftNumber = leftSeverity?.score ?? left;
  const rightNumber = rightSeverity?.score ?? right;
  if (typeof leftNumber !== "number" || typeof rightNumber !== "number") return undefined;
  const order = leftNumber - rightNumber;
  return Number.isNaN(order) ? undefined : order;
}

function isEqual(left: unknown, right: unknown): Truth {
  if (left === undefined || right === undefined) return left === null || right === null ? true : undefined;
  if (left === null || right === null) return left === right;
  if (typeof left === "object" && typeof right === "object") return isSame(left, right, 0);
  if (typeof left === "boolean" && typeof right === "boolean") return left === right;
  if (typeof left === "string" && typeof right === "string" && !(severityOf(left) && severityOf(right))) {
    return left === right;
  }
  const order = orderOf(left, right);
  return order === undefined ? undefined : order === 0;
}

/** Equality of whole documents: the same JSON, whatever the order of keys. */
function isSame(left: unknown, right: unknown, depth: number): Truth {
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return left === right;
  if (depth > COMPARED_DEPTH_MAX) return undefined;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const entries = Object.entries(left);
  if (entries.length !== Object.keys(right).length) return false;
  for (const [key, inner] of entries) {
    if (!Object.hasOwn(right, key)) return false;
    const same = isSame(inner, (right as Record<string, unknown>)[key], depth + 1);
    if (same !== true) return same;
  }
  return true;
}

function holds(container: unknown, value: unknown): Truth {
  return containedIn(value)(container);
}

/**
 * `contains` for one value, which is read once, to be asked of many containers: true if one of a list's items is the value, a
 * text has the value in it, or one is a network and the other lies in it.
 */
export function containedIn(value: unknown): (container: unknown) => Truth {
  if (value === undefined) return () => undefined;
  const inner = typeof value === "string" ? readNetwork(value) : undefined;
  const isWithin = (container: unknown): Truth => {
    const outer = inner && typeof container === "string" ? readNetwork(container) : undefined;
    return inner && outer && liesWithin(inner, outer);
  };
  return (container) => {
    if (Array.isArray(container)) return someTruth(container, (item) => isWithin(item) ?? isEqual(item, value));
    if (typeof container !== "string" || typeof value !== "string") return undefined;
    return isWithin(container) ?? isPart(container, value);
  };
}

/** Whether the text has the part in it, in linear time: the engine's own search can take the product of both lengths. */
function isPart(text: string, part: string): boolean {
  if (part.length * text.length <= NATIVE_SEARCH_STEPS_MAX) return text.includes(part);
  // Knuth, Morris and Pratt: `borders[i]` is how much of the part's beginning its first i + 1 characters end with.
  const borders = new Int32Array(part.length);
  for (let i = 1, length = 0; i < part.length; i++) {
    while (length > 0 && part[i] !== part[length]) length = borders[length - 1] ?? 0;
    if (part[i] === part[length]) length++;
    borders[i] = length;
  }
  for (let i = 0, length = 0; i < text.length; i++) {
    while (length > 0 && text[i] !== part[length]) length = borders[length - 1] ?? 0;
    if (text[i] === part[length]) length++;
    if (length === part.length) return true;
  }
  return false;
}

function isMatch(text: unknown, pattern: unknown): Truth {
  if (typeof text !== "string" || typeof pattern !== "string") return undefined;
  try {
    return matchesPattern(compilePattern(pattern), text);
  } catch (error) {
    if (error instanceof ExpressionSyntaxError) return undefined;
    throw error;
  }
}
