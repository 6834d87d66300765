import { Context } from "mingo/core";
import { $and, $nor, $not, $or } from "mingo/operators/query/logical";
import { Query } from "mingo/query";
import { canonicalJson, type Json, type JsonObject } from "../core/json.ts";
import type { EventFields } from "./event-fields.ts";
import { hasOperators, type TriggerOperator, triggerOperator, triggerOperators } from "./trigger-operators.ts";

/** Whether an event is as a trigger's conditions ask. */
export type EventTest = (event: EventFields) => boolean;

/**
 * Compiles a trigger's conditions, which `checkTrigger` found nothing wrong with; none are true of every event. What can't be compared
 * does not match, and what negates it (`$not`, `$ne`, `$nin`) does: there is no unknown here.
 * @throws Error for conditions that were not checked.
 */
export function compileConditions(conditions: JsonObject): EventTest {
  const query = new Query<EventFields>(toQuery(conditions), { context });
  return (event) => query.test(event);
}

/** One of the conditions that must all hold. */
export interface Conjunct {
  /** The same text for the same condition, in whatever trigger. */
  readonly key: string;
  /** The same for conditions that differ only in what a field is compared with. */
  readonly kind: string;
  /** How its work compares with that of others. */
  readonly cost: number;
  /** Where it says what a field has to be equal to, one of them at least. */
  readonly equal?: { readonly field: string; readonly operands: readonly Json[] };
  /** About what it takes of memory, compiled. */
  readonly bytes: number;
  readonly compile: () => EventTest;
}

/** Conditions taken apart as far as all parts must hold. */
export function conjunctsOf(conditions: JsonObject): Conjunct[] {
  return Object.entries(conditions).flatMap(([key, value]) => {
    if (key === "$and") return (value as readonly JsonObject[]).flatMap(conjunctsOf);
    if (key === "$or" || key === "$not" || !hasOperators(value)) {
      return key.startsWith("$") ? [groupConjunct({ [key]: value })] : [operatorConjunct(key, "$eq", value)];
    }
    return Object.entries(value).map(([operator, operand]) =>
      operator === "$not" ? groupConjunct({ [key]: { $not: operand } }) : operatorConjunct(key, operator, operand),
    );
  });
}

function groupConjunct(conditions: JsonObject): Conjunct {
  const key = canonicalJson(conditions);
  return {
    key,
    kind: Object.keys(conditions).join(),
    cost: groupCost,
    bytes: key.length * groupCharacterBytes,
    compile: () => compileConditions(conditions),
  };
}

function operatorConjunct(field: string, name: string, operand: Json): Conjunct {
  const operator = triggerOperator(name);
  if (!operator) throw new Error(`${name} is no operator of a trigger.`);
  const operands = name === "$eq" ? [operand] : name === "$in" ? (operand as readonly Json[]) : undefined;
  const key = canonicalJson({ [field]: { [name]: operand } });
  return {
    key,
    kind: `${field} ${name}`,
    cost: operator.cost,
    bytes: operatorBytes + key.length * operatorCharacterBytes,
    ...(operands ? { equal: { field, operands } } : {}),
    // What a query of one operator would do, in a tenth of the memory.
    compile: () => testOf(operator, field, operand),
  };
}

const groupCost = 4;
// Measured by bench/engine/triggers.ts.
const groupCharacterBytes = 70;
const operatorBytes = 350;
const operatorCharacterBytes = 3;

function testOf({ prepare }: TriggerOperator, field: string, operand: Json): EventTest {
  const test = prepare(operand);
  return (event) => test(event.field(field));
}

// Nothing but our operators: $where, $expr and $jsonSchema are not refused here, there is no such thing.
const context = Context.init({
  query: {
    ...Object.fromEntries(
      Object.entries(triggerOperators).map(([name, operator]) => [
        queryName(name),
        (field: string, operand: unknown) => testOf(operator, field, operand as Json),
      ]),
    ),
    $and,
    $or,
    $nor,
    $not,
  },
});

/** Under its own name, the query would make a RegExp of the pattern before it asks us. */
function queryName(operator: string): `$${string}` {
  return operator === "$regex" ? "$matches" : (operator as `$${string}`);
}

/** The conditions as the query takes them: every comparison by an operator, and $nor for a $not that stands beside fields. */
function toQuery(conditions: JsonObject): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(conditions).map(([key, value]): [string, unknown] => {
      if (key === "$and" || key === "$or") return [key, (value as readonly JsonObject[]).map(toQuery)];
      if (key === "$not") return ["$nor", [toQuery(value as JsonObject)]];
      // The query would lose this one field on its way, and with it the condition.
      if (key.startsWith("$") || key === "__proto__") throw new Error(`${key} is no field of a trigger.`);
      return [key, toOperators(value)];
    }),
  );
}

function toOperators(value: Json): Record<string, unknown> {
  if (!hasOperators(value)) return { $eq: value };
  return Object.fromEntries(
    Object.entries(value).map(([name, operand]) => {
      if (name === "$not") return [name, toOperators(operand)];
      if (!triggerOperator(name)) throw new Error(`${name} is no operator of a trigger.`);
      return [queryName(name), operand];
    }),
  );
}
