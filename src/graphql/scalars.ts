import { GraphQLError, Kind, type ValueNode } from "graphql";
import { parseInstant } from "../core/instant.ts";
import type { Json } from "../core/json.ts";
import { builder } from "./builder.ts";

function parseDateTime(value: unknown): Date {
  const date = typeof value === "string" ? parseInstant(value) : undefined;
  if (!date) throw new GraphQLError("A DateTime is an RFC 3339 text with a zone, such as 2026-01-31T09:30:00Z.");
  return date;
}

function parseText(name: string, pattern: RegExp): (value: unknown) => string {
  return (value) => {
    if (typeof value !== "string" || !pattern.test(value)) throw new GraphQLError(`This is no ${name}.`);
    return value;
  };
}

function literal(node: ValueNode, variables: Record<string, unknown> | null | undefined): Json {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.ENUM:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.NULL:
      return null;
    case Kind.LIST:
      return node.values.map((value) => literal(value, variables));
    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map((field) => [field.name.value, literal(field.value, variables)]));
    case Kind.VARIABLE:
      return (variables?.[node.name.value] ?? null) as Json;
    default:
      return node satisfies never;
  }
}

builder.scalarType("DateTime", {
  description: "An instant, RFC 3339, answered in UTC with milliseconds: `2026-01-31T09:30:00.000Z`.",
  serialize: (value) => (value instanceof Date ? value : new Date(value as string)).toISOString(),
  parseValue: parseDateTime,
});
builder.scalarType("JSON", {
  description: "Any JSON value, as it is: nothing in it is coerced.",
  serialize: (value) => value,
  parseValue: (value) => value as Json,
  parseLiteral: literal,
});
builder.scalarType("UUID", {
  description: "A UUID in lower case.",
  serialize: (value) => value,
  parseValue: parseText("UUID", /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
});
builder.scalarType("ActionRef", {
  description:
    "Names an action or a version of it: `name`, `name@MAJOR.MINOR`, `name@MAJOR.MINOR.PATCH`, its UUID or an unambiguous prefix of that (8 characters or more).",
  serialize: (value) => value,
  parseValue: parseText("ActionRef", /^\P{Cc}{1,256}$/u),
});
