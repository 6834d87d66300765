import { canonicalJson, isJsonObject, type Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { compareValues, containedIn, orderOf } from "../expressions/compare.ts";
import { readNetwork } from "../expressions/networks.ts";
import { requiredText } from "../expressions/required-text.ts";
import { type Field, type FieldText, isDocument, scalarKey } from "./event-fields.ts";

/** Whether a field is as an operator and its operand ask. */
export type FieldTest = (field: Field) => boolean;

export interface TriggerOperator {
  /** What it takes, for people. */
  readonly wanted: string;
  readonly accepts: (operand: Json) => boolean;
  /** How its work compares with that of others: tests that cost little come first. */
  readonly cost: number;
  readonly prepare: (operand: Json) => FieldTest;
}

const anything = { wanted: "any value", accepts: () => true };
const list = { wanted: "a list", accepts: Array.isArray };
const ordered = {
  wanted: "a number or a text",
  accepts: (operand: Json) => typeof operand === "number" || typeof operand === "string",
};

/** The operators that compare a field. `$not` stands beside them: it takes operators, and gives the opposite of all of them together. */
export const triggerOperators = {
  $eq: { ...anything, cost: 1, prepare: (operand) => equalToOne([operand]) },
  $ne: { ...anything, cost: 1, prepare: (operand) => not(equalToOne([operand])) },
  $in: { ...list, cost: 1, prepare: (operand) => equalToOne(operand as readonly Json[]) },
  $nin: { ...list, cost: 1, prepare: (operand) => not(equalToOne(operand as readonly Json[])) },
  $gt: { ...ordered, cost: 2, prepare: (operand) => inOrder(operand, (order) => order > 0) },
  $gte: { ...ordered, cost: 2, prepare: (operand) => inOrder(operand, (order) => order >= 0) },
  $lt: { ...ordered, cost: 2, prepare: (operand) => inOrder(operand, (order) => order < 0) },
  $lte: { ...ordered, cost: 2, prepare: (operand) => inOrder(operand, (order) => order <= 0) },
  $exists: {
    wanted: "true or false",
    accepts: (operand) => typeof operand === "boolean",
    cost: 1,
    prepare: (operand) => (field) => field.isFound === operand,
  },
  $contains: { ...anything, cost: 3, prepare: contains },
  $regex: {
    wanted: "a pattern as text",
    accepts: (operand) => typeof operand === "string",
    cost: 5,
    prepare: matches,
  },
} as const satisfies Readonly<Record<string, TriggerOperator>>;

export type OperatorName = keyof typeof triggerOperators;

/** The operator of this name, if there is one. */
export function triggerOperator(name: string): TriggerOperator | undefined {
  return Object.hasOwn(triggerOperators, name) ? triggerOperators[name as OperatorName] : undefined;
}

/** Whether a condition's value holds operators, and is not itself what the field is compared with. */
export function hasOperators(value: Json): value is Readonly<Record<string, Json>> {
  return isJsonObject(value) && Object.keys(value).some((key) => key.startsWith("$"));
}

function not(test: FieldTest): FieldTest {
  return (field) => !test(field);
}

// Equality by keys, so that a field of many values and an operand of many are compared in the time of the shorter.
function equalToOne(operands: readonly Json[]): FieldTest {
  const scalars = new Set(operands.filter((operand) => !isDocument(operand)).map(scalarKey));
  const documents = new Set(operands.filter(isDocument).map((operand) => canonicalJson(operand)));
  return (field) =>
    (scalars.size > 0 && haveCommon(scalars, field.scalars)) ||
    (documents.size > 0 && haveCommon(documents, field.documents));
}

function haveCommon(some: ReadonlySet<unknown>, others: ReadonlySet<unknown>): boolean {
  const [few, many] = some.size < others.size ? [some, others] : [others, some];
  for (const each of few) if (many.has(each)) return true;
  return false;
}

function inOrder(operand: Json, isMeant: (order: number) => boolean): FieldTest {
  return (field) =>
    field.singles.some((value) => {
      const order = orderOf(value, operand);
      return order !== undefined && isMeant(order);
    });
}

/** As `contains` of expressions: an item of a list, a part of a text, an address of a network. */
function contains(operand: Json): FieldTest {
  const isContained = containedIn(operand);
  if (isDocument(operand) || (typeof operand === "string" && readNetwork(operand))) {
    return ({ values }) => values.some((value) => isContained(value) === true);
  }
  // Equality by keys again, so that a list of many items is not gone through for each of many triggers.
  const key = scalarKey(operand);
  return ({ values, items }) =>
    items.has(key) || values.some((value) => typeof value === "string" && isContained(value) === true);
}

// Most patterns can be told not to match without the engine, by a text that they require.
function matches(operand: Json): FieldTest {
  const pattern = String(operand);
  const required = requiredText(pattern);
  const mayMatch = ({ text, folded }: FieldText): boolean => {
    const searched = required?.isFolded ? folded : text;
    return required === undefined || searched === undefined || searched.includes(required.text);
  };
  return ({ texts }) => {
    const until = performance.now() + limits.patternMatchMs;
    for (const each of texts) {
      if (mayMatch(each) && compareValues(each.text, "matches", pattern) === true) return true;
      // A long list has no more time than one text.
      if (texts.length > 1 && performance.now() > until) return false;
    }
    return false;
  };
}
