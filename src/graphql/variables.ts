import {
  coerceInputValue,
  type GraphQLError,
  type GraphQLInputType,
  type GraphQLSchema,
  getNullableType,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  type OperationDefinitionNode,
  specifiedScalarTypes,
  typeFromAST,
} from "graphql";
import { limits } from "../core/limits.ts";
import { isNestedDeeper } from "../core/nesting.ts";
import { requestError } from "./errors.ts";

/**
 * Checks the variables of an operation as graphql-js would, but tells only where something is wrong and what was
 * expected: graphql-js quotes the value, which may be a secret.
 */
export function variableErrors(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): readonly GraphQLError[] {
  if (isNestedDeeper(variables, limits.requestDepthMax)) {
    return [badInput(`The variables are nested deeper than ${limits.requestDepthMax} levels.`)];
  }
  return (operation.variableDefinitions ?? []).flatMap((definition) => {
    const name = definition.variable.name.value;
    const type = typeFromAST(schema, definition.type);
    if (!type || !isInputType(type)) return [badInput(`Variable "$${name}" has a type that no input may have.`)];
    if (Object.hasOwn(variables, name) && variables[name] !== undefined)
      return valueErrors(name, type, variables[name]);
    const isMissing = isNonNullType(type) && !definition.defaultValue;
    return isMissing ? [badInput(`Variable "$${name}" of required type "${type}" was not provided.`)] : [];
  });
}

function valueErrors(name: string, type: GraphQLInputType, value: unknown): readonly GraphQLError[] {
  const errors: GraphQLError[] = [];
  coerceInputValue(value, type, (path, _value, error) => {
    if (errors.length >= limits.queryErrorsMax) return;
    errors.push(
      badInput(`Variable "$${name}" is wrong at "${placeText(name, path)}": ${reason(type, path, error.message)}`),
    );
  });
  return errors;
}

function placeText(name: string, path: readonly (string | number)[]): string {
  return path.reduce<string>((text, key) => (typeof key === "number" ? `${text}[${key}]` : `${text}.${key}`), name);
}

/** Unknown and missing fields are told by name, where it can be one; our own scalars' texts hold no value; of anything else only the type is told. */
function reason(type: GraphQLInputType, path: readonly (string | number)[], message: string): string {
  if (message.startsWith('Field "')) return withoutOddName(message);
  if (message.startsWith("Expected non-nullable")) return "a value is required here, null is none.";
  const expected = typeAt(type, path);
  const isOwnScalar =
    expected && "parseValue" in expected && !specifiedScalarTypes.some(({ name }) => name === expected.name);
  return isOwnScalar && !("getValues" in expected) && !message.startsWith("Expected ")
    ? message
    : `expected ${expected ?? type}.`;
}

/** What can't be the name of a field, mistyped or not, is somebody's value. */
function withoutOddName(message: string): string {
  const unknown = /^Field "([\s\S]*)" is not defined by type "(\w+)"/.exec(message);
  if (!unknown || /^[A-Za-z_]\w{0,63}$/.test(unknown[1] ?? "")) return message;
  return `it has a field that type "${unknown[2]}" does not define.`;
}

function typeAt(type: GraphQLInputType, path: readonly (string | number)[]) {
  let current: GraphQLInputType | undefined = type;
  for (const key of path) {
    const inner: GraphQLInputType | undefined = current && getNullableType(current);
    if (isListType(inner)) current = inner.ofType as GraphQLInputType;
    else if (isInputObjectType(inner)) current = inner.getFields()[key]?.type;
    else return undefined;
  }
  return current && getNullableType(current);
}

function badInput(message: string): GraphQLError {
  return requestError("BAD_USER_INPUT", message);
}
