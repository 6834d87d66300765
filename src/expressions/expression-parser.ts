import type { Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Operator } from "./compare.ts";
import type { Path } from "./paths.ts";
import { compilePattern } from "./patterns.ts";
import { scopeRoots } from "./scope.ts";
import { ExpressionSyntaxError } from "./syntax-error.ts";
import { templatePaths } from "./template.ts";
import type { Sign, Token } from "./tokens.ts";

/** An expression, parsed. Nested at most `expressionDepthMax` deep, so that walking it needs little stack. */
export type Expression =
  | { readonly kind: "all" | "any"; readonly parts: readonly Expression[] }
  | { readonly kind: "not"; readonly inner: Expression }
  | {
      readonly kind: "comparison";
      readonly left: Operand;
      readonly operator: Operator;
      readonly right: Operand;
      readonly isNegated: boolean;
    }
  /** An operand by itself: a template that yields true or false. */
  | { readonly kind: "operand"; readonly operand: Operand; readonly offset: number };

export type Operand =
  | { readonly kind: "literal"; readonly value: Json }
  | { readonly kind: "path"; readonly path: Path }
  | { readonly kind: "list"; readonly items: readonly Operand[] };

const COMPARISONS: ReadonlySet<Sign> = new Set(["==", "!=", ">", ">=", "<", "<=", "contains", "in", "matches"]);
const WORD_COMPARISONS: ReadonlySet<Sign> = new Set(["contains", "in", "matches"]);

interface Cursor {
  readonly tokens: readonly Token[];
  at: number;
  depth: number;
}

/**
 * Recursive descent, loosest first: `or`, `and`, `not`, comparison. It looks one token ahead (two after `not`), and goes
 * deeper for a bracket or a list only.
 * @throws ExpressionSyntaxError
 */
export function parseTokens(tokens: readonly Token[]): Expression {
  const cursor: Cursor = { tokens, at: 0, depth: 0 };
  const expression = readAny(cursor);
  const rest = peek(cursor);
  if (rest.kind !== "end") throw new ExpressionSyntaxError(misplaced(rest, '"and" or "or"'), rest.offset);
  refuseLiteralAnswers(expression);
  return expression;
}

function readAny(cursor: Cursor): Expression {
  const parts = [readAll(cursor)];
  while (take(cursor, "or")) parts.push(readAll(cursor));
  return parts.length === 1 ? parts[0]! : { kind: "any", parts };
}

function readAll(cursor: Cursor): Expression {
  const parts = [readNegation(cursor)];
  while (take(cursor, "and")) parts.push(readNegation(cursor));
  return parts.length === 1 ? parts[0]! : { kind: "all", parts };
}

function readNegation(cursor: Cursor): Expression {
  let isNegated = false;
  // Twice "not" is nothing, of unknown too, so a row of them needs no depth.
  while (take(cursor, "not")) isNegated = !isNegated;
  const inner = readComparison(cursor);
  return isNegated ? { kind: "not", inner } : inner;
}

function readComparison(cursor: Cursor): Expression {
  const first = peek(cursor);
  const left = isSign(first, "(")
    ? nested(cursor, ")", () => readAny(cursor))
    : ({ kind: "operand", operand: readOperand(cursor), offset: first.offset } as const);
  const sign = peek(cursor);
  const found = takeOperator(cursor);
  if (!found) return left;
  if (left.kind !== "operand") {
    throw new ExpressionSyntaxError(
      'What is in the brackets is true or false already and can\'t be compared: join it with "and" or "or".',
      sign.offset,
    );
  }
  const second = peek(cursor);
  const right = readOperand(cursor);
  if (found.operator === "matches") checkPattern(right, second.offset);
  const next = peek(cursor);
  if (next.kind === "sign" && COMPARISONS.has(next.sign)) {
    throw new ExpressionSyntaxError('Comparisons can\'t be chained: join two of them with "and".', next.offset);
  }
  return { kind: "comparison", left: left.operand, ...found, right };
}

function takeOperator(cursor: Cursor): { operator: Operator; isNegated: boolean } | undefined {
  const sign = peek(cursor);
  if (sign.kind !== "sign") return undefined;
  if (COMPARISONS.has(sign.sign)) {
    cursor.at++;
    return { operator: sign.sign as Operator, isNegated: false };
  }
  if (sign.sign !== "not") return undefined;
  const word = cursor.tokens[cursor.at + 1];
  if (word?.kind !== "sign" || !WORD_COMPARISONS.has(word.sign)) {
    throw new ExpressionSyntaxError(
      'After an operand, "not" stands only before contains, in and matches.',
      sign.offset,
    );
  }
  cursor.at += 2;
  return { operator: word.sign as Operator, isNegated: true };
}

function readOperand(cursor: Cursor): Operand {
  const token = peek(cursor);
  if (isSign(token, "(")) return nested(cursor, ")", () => readOperand(cursor));
  if (isSign(token, "[")) return nested(cursor, "]", () => readItems(cursor));
  if (token.kind === "path") {
    cursor.at++;
    return { kind: "path", path: token.path };
  }
  if (token.kind === "literal") {
    cursor.at++;
    if (typeof token.value === "string") refuseTemplate(token.value, token.offset);
    return { kind: "literal", value: token.value };
  }
  throw new ExpressionSyntaxError(
    misplaced(token, "a template, a number, a 'text', true, false, null, a [list]"),
    token.offset,
  );
}

/** A list whose items are all literals is itself one, made once. */
function readItems(cursor: Cursor): Operand {
  const items: Operand[] = [];
  if (!isSign(peek(cursor), "]")) {
    do items.push(readOperand(cursor));
    while (take(cursor, ","));
  }
  const values = items.flatMap((item): Json[] => (item.kind === "literal" ? [item.value] : []));
  return values.length === items.length ? { kind: "literal", value: values } : { kind: "list", items };
}

/** Reads what is between brackets, the opening one being next. */
function nested<Inner>(cursor: Cursor, close: ")" | "]", read: () => Inner): Inner {
  const open = peek(cursor);
  if (cursor.depth >= limits.expressionDepthMax) {
    throw new ExpressionSyntaxError(`Brackets nest at most ${limits.expressionDepthMax} deep.`, open.offset);
  }
  cursor.at++;
  cursor.depth++;
  const inner = read();
  const token = peek(cursor);
  if (!take(cursor, close)) throw new ExpressionSyntaxError(misplaced(token, close), token.offset);
  cursor.depth--;
  return inner;
}

/** `'{{ finding.severity }}' == 'high'` would compare two texts that are never equal. Other braces are a text like any. */
function refuseTemplate(text: string, offset: number): void {
  if (templatePaths(text).some(([root]) => scopeRoots.has(String(root)))) {
    throw new ExpressionSyntaxError("A template in quotation marks is plain text: write {{ … }} without them.", offset);
  }
}

function checkPattern(operand: Operand, offset: number): void {
  if (operand.kind !== "literal") return;
  if (typeof operand.value !== "string") {
    throw new ExpressionSyntaxError('After "matches" stands a pattern in quotation marks.', offset);
  }
  try {
    compilePattern(operand.value);
  } catch (error) {
    if (error instanceof ExpressionSyntaxError)
      throw new ExpressionSyntaxError(error.message, offset + 1 + error.offset);
    throw error;
  }
}

/** A number or text in the place of an answer is a mistake that can be told now. */
function refuseLiteralAnswers(expression: Expression): void {
  if (expression.kind === "all" || expression.kind === "any") expression.parts.forEach(refuseLiteralAnswers);
  if (expression.kind === "not") refuseLiteralAnswers(expression.inner);
  if (expression.kind !== "operand" || expression.operand.kind === "path") return;
  if (expression.operand.kind === "literal" && typeof expression.operand.value === "boolean") return;
  throw new ExpressionSyntaxError("This is neither true nor false: compare it with something.", expression.offset);
}

function misplaced(token: Token, expected: string): string {
  const expectation = `${expected} is expected here.`.replace(/, (?=[^,]*$)/, " or ");
  if (token.kind === "end") return `The expression ends too early: ${expectation}`;
  return `${token.kind === "sign" ? `"${token.sign}"` : "This"} can't stand here: ${expectation}`;
}

function peek(cursor: Cursor): Token {
  // The last token is an end, and nothing is taken beyond it.
  return cursor.tokens[cursor.at] ?? cursor.tokens[cursor.tokens.length - 1]!;
}

function take(cursor: Cursor, sign: Sign): boolean {
  if (!isSign(peek(cursor), sign)) return false;
  cursor.at++;
  return true;
}

function isSign(token: Token, sign: Sign): boolean {
  return token.kind === "sign" && token.sign === sign;
}
