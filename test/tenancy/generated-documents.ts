import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isLeafType,
  isObjectType,
  isRequiredArgument,
  isUnionType,
} from "graphql";

export type OperationKind = "query" | "mutation" | "subscription";

export interface RootField {
  /** As in `Query.viewer`. */
  readonly path: string;
  readonly kind: OperationKind;
  readonly field: GraphQLField<unknown, unknown>;
}

/** Every field of the schema's three roots, sorted. */
export function rootFieldsOf(schema: GraphQLSchema): RootField[] {
  const roots = [
    ["query", schema.getQueryType()],
    ["mutation", schema.getMutationType()],
    ["subscription", schema.getSubscriptionType()],
  ] as const;
  return roots
    .flatMap(([kind, type]) =>
      Object.values(type?.getFields() ?? {}).map((field) => ({ kind, field, path: `${type?.name}.${field.name}` })),
    )
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Levels of selections below a root field: a result, its payload's node, that node's parts. */
const selectionDepth = 4;

/** A document that calls a root field with these arguments as variables, and asks for all it may answer without arguments. */
export function documentFor({ kind, field }: RootField, args: Readonly<Record<string, unknown>>): string {
  const given = field.args.filter(({ name }) => Object.hasOwn(args, name));
  const unknown = Object.keys(args).filter((name) => !field.args.some((arg) => arg.name === name));
  if (unknown.length > 0) throw new Error(`${field.name} has no argument ${unknown.join(", ")}`);
  const declared = given.length > 0 ? `(${given.map(({ name, type }) => `$${name}: ${type}`).join(", ")})` : "";
  const passed = given.length > 0 ? `(${given.map(({ name }) => `${name}: $${name}`).join(", ")})` : "";
  return `${kind} ${declared} { ${field.name}${passed} ${selectionOf(getNamedType(field.type), selectionDepth)} }`;
}

function selectionOf(type: GraphQLNamedType, depth: number): string {
  if (isLeafType(type)) return "";
  if (isUnionType(type)) {
    const members = type.getTypes().map((member) => `... on ${member.name} ${selectionOf(member, depth)}`);
    return `{ __typename ${members.join(" ")} }`;
  }
  if (!isObjectType(type) && !isInterfaceType(type)) return "";
  const fields = Object.values(type.getFields()).flatMap((field) => {
    const inner = getNamedType(field.type);
    if (field.args.some(isRequiredArgument)) return [];
    if (isLeafType(inner)) return [field.name];
    // A connection inside a node would multiply the page of the one around it.
    const isNestedConnection = inner.name.endsWith("Connection");
    return depth > 1 && !isNestedConnection ? [`${field.name} ${selectionOf(inner, depth - 1)}`] : [];
  });
  return `{ __typename ${fields.join(" ")} }`;
}
