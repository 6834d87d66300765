import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  validate,
} from "graphql";
import { limits } from "../core/limits.ts";
import { requestError, withoutSuggestion, withoutValues } from "./errors.ts";
import { operationLimitsRule } from "./operation-limits.ts";
import type { RequestParams } from "./request-params.ts";

/** Parses and validates what clients send, within the bounds of `limits`, and remembers the short documents among it. */
export interface Documents {
  /** @throws GraphQLError with code GRAPHQL_PARSE_FAILED, without any value of the text in it. */
  parse(source: string): DocumentNode;
  /** Every problem of the document, without any value of its text; none when it may be executed. */
  validate(document: DocumentNode): readonly GraphQLError[];
}

/** With `introspection` off, `__schema` and `__type` are refused and no error suggests a name. */
export function createDocuments(schema: GraphQLSchema, introspection: "on" | "off"): Documents {
  const parsed = new Map<string, DocumentNode>();
  const verdicts = new WeakMap<DocumentNode, readonly GraphQLError[]>();
  const rules = [
    operationLimitsRule,
    ...specifiedRules,
    ...(introspection === "off" ? [NoSchemaIntrospectionCustomRule] : []),
  ];
  const shown = introspection === "off" ? withoutSuggestion : (error: GraphQLError) => error;
  return {
    parse(source) {
      const known = parsed.get(source);
      if (known) {
        // The oldest entry goes first: what is used again becomes the youngest.
        parsed.delete(source);
        parsed.set(source, known);
        return known;
      }
      const document = parseBounded(source);
      if (source.length <= limits.documentCacheLengthMax) remember(parsed, source, document);
      return document;
    },
    validate(document) {
      const known = verdicts.get(document);
      if (known) return known;
      const errors = validateBounded(schema, document, rules).map((error) => shown(withoutValues(withCode(error))));
      verdicts.set(document, errors);
      return errors;
    },
  };
}

function remember(parsed: Map<string, DocumentNode>, source: string, document: DocumentNode): void {
  parsed.set(source, document);
  const [oldest] = parsed.keys();
  if (parsed.size > limits.documentCacheMax && oldest !== undefined) parsed.delete(oldest);
}

function parseBounded(source: string): DocumentNode {
  if (source.length > limits.queryLengthMax) {
    throw parseFailure(`A document has at most ${limits.queryLengthMax} characters; put values into variables.`);
  }
  try {
    return parse(source, { maxTokens: limits.queryTokensMax });
  } catch (error) {
    if (error instanceof GraphQLError) throw withoutValues(withCode(error, "GRAPHQL_PARSE_FAILED"));
    // The parser recurses: thousands of brackets within each other leave it no stack.
    if (error instanceof RangeError) throw parseFailure("The document is nested too deeply.");
    throw error;
  }
}

/** The bounds first, alone: the other rules take long over a document that exceeds them. */
function validateBounded(
  schema: GraphQLSchema,
  document: DocumentNode,
  rules: readonly (typeof specifiedRules)[number][],
) {
  const [bounds, ...others] = rules;
  const options = { maxErrors: limits.queryErrorsMax };
  const exceeded = bounds ? validate(schema, document, [bounds], options) : [];
  return exceeded.length > 0 ? exceeded : validate(schema, document, others, options);
}

function parseFailure(message: string): GraphQLError {
  return requestError("GRAPHQL_PARSE_FAILED", message);
}

function withCode(error: GraphQLError, code = "GRAPHQL_VALIDATION_FAILED"): GraphQLError {
  // graphql-js makes them without a code; the object is fresh and nobody else's.
  error.extensions["code"] ??= code;
  error.extensions["http"] ??= { spec: true, status: 400 };
  return error;
}

interface ParsedDocument {
  readonly document?: DocumentNode;
  readonly kind?: string | undefined;
}

/** The document of a request and what kind of operation is meant. Empty for what is no document: told where it is executed, like any error of one. */
export function documentOf(documents: Documents, { query, operationName }: RequestParams): ParsedDocument {
  try {
    const document = documents.parse(query);
    return { document, kind: getOperationAST(document, operationName)?.operation };
  } catch {
    return {};
  }
}
