import { PothosValidationError } from "@pothos/core";
import { complexityFromQuery } from "@pothos/plugin-complexity";
import {
  type ArgumentNode,
  type DocumentNode,
  type GraphQLError,
  GraphQLID,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  isInputObjectType,
  Kind,
  type OperationDefinitionNode,
  TypeInfo,
  type ValueNode,
  visit,
  visitWithTypeInfo,
} from "graphql";
import { limits } from "../core/limits.ts";
import { countingArguments } from "./builder.ts";
import { requestError } from "./errors.ts";

/** What the cost of one operation is charged on: a valid document, and variables that were checked. */
export interface CostQuestion {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Refuses an operation that would resolve more than `queryCostMax` fields: one for each, times the page of every connection around it. */
export function costError(question: CostQuestion): GraphQLError | undefined {
  const cost = costOf(question);
  if (typeof cost !== "number") return cost;
  if (cost <= limits.queryCostMax) return undefined;
  return requestError(
    "QUERY_TOO_EXPENSIVE",
    `This operation costs ${cost}, at most ${limits.queryCostMax} is allowed: ask for smaller pages or fewer fields.`,
    { cost, costMax: limits.queryCostMax },
  );
}

/** What operations cost whatever their variables are: most of those that are sent again and again. */
const costs = new WeakMap<OperationDefinitionNode, number | "varies">();

function costOf({ schema, document, operation, variables }: CostQuestion): number | GraphQLError {
  const known = costs.get(operation);
  if (typeof known === "number") return known;
  const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
  const alone = { kind: Kind.DOCUMENT, definitions: [operation, ...fragments] } as const;
  try {
    const cost = complexityFromQuery(alone, { schema, variables }).complexity;
    if (known === undefined) costs.set(operation, isVarying(schema, alone) ? "varies" : cost);
    return cost;
  } catch (error) {
    // Arguments are decoded to be weighed: an id that is none shows itself here already.
    if (error instanceof PothosValidationError) return requestError("BAD_USER_INPUT", error.message);
    throw error;
  }
}

/** Whether what comes in a variable is weighed: how much is asked for, or an id, which may be none. */
function isVarying(schema: GraphQLSchema, document: DocumentNode): boolean {
  const types = new TypeInfo(schema);
  let found = false;
  const Argument = ({ value }: ArgumentNode) => {
    const argument = types.getArgument();
    if (!argument || !holdsVariable(value)) return;
    found ||= countingArguments.has(argument.name) || holdsId(argument.type);
  };
  visit(document, visitWithTypeInfo(types, { Argument }));
  return found;
}

function holdsVariable(value: ValueNode): boolean {
  let found = false;
  const Variable = () => {
    found = true;
  };
  visit(value, { Variable });
  return found;
}

function holdsId(type: GraphQLInputType, seen: ReadonlySet<unknown> = new Set()): boolean {
  const named = getNamedType(type);
  if (!isInputObjectType(named)) return named.name === GraphQLID.name;
  if (seen.has(named)) return false;
  return Object.values(named.getFields()).some((field) => holdsId(field.type, new Set([...seen, named])));
}
