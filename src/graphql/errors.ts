import { PothosValidationError } from "@pothos/core";
import { GraphQLError, Kind } from "graphql";
import {
  BadInputError,
  BusyError,
  DomainFailure,
  ForbiddenError,
  TenantDisabledError,
  UnauthenticatedError,
  ValidationFailure,
} from "../core/failures.ts";
import { newId } from "../core/ids.ts";
import { isLockTimeout } from "../core/lock-timeout.ts";
import type { Log } from "../core/log.ts";

/**
 * An error of a whole request, before anything was executed. `http` is yoga's: status 400 where the client takes
 * application/graphql-response+json, 200 where it takes only application/json, as GraphQL over HTTP wants it.
 */
export function requestError(code: string, message: string, more: Record<string, unknown> = {}): GraphQLError {
  return new GraphQLError(message, { extensions: { code, ...more, http: { spec: true, status: 400 } } });
}

/** A result as it is sent by other ways than yoga's, which takes `http` out itself. */
export function sendable<Result extends { readonly errors?: readonly GraphQLError[] | undefined }>(result: Result) {
  const { errors, ...rest } = result;
  return errors ? { errors: errors.map((error) => withoutHttp(error).toJSON()), ...rest } : rest;
}

export function withoutHttp(error: GraphQLError): GraphQLError {
  const { http, ...extensions } = error.extensions;
  return http === undefined ? error : located(error.message, extensions, error);
}

/** Makes of anything that was thrown the error that may be shown. */
export type MaskError = (error: unknown) => GraphQLError;

/**
 * The mapping at the very edge, for HTTP and WebSocket alike: refusals get their code, errors of the document and its
 * variables pass, everything else becomes "Internal error; quote <id>." and goes with its stack into the log under that id.
 */
export function createErrorMask(log: Log): MaskError {
  return (error) => {
    const root = rootOf(error);
    if (root instanceof GraphQLError && isMasked(root)) return root;
    const place = error instanceof GraphQLError ? error : undefined;
    const known = codeOf(root, place);
    if (known) return located(known.message, known.extensions, place);
    const unavailable = unavailabilityOf(root);
    if (unavailable) {
      log.warn({ message: (root as Error).message }, unavailable.event);
      return located(unavailable.message, { code: "UNAVAILABLE", ...httpStatus(place, 503) }, place);
    }
    const id = newId();
    log.error({ id, ...describe(root) }, "edge.internal_error");
    return located(`Internal error; quote ${id}.`, { code: "INTERNAL", id, ...httpStatus(place, 500) }, place);
  };
}

/** For an error of a whole request only: one of a field stands beside data. */
function httpStatus(place: GraphQLError | undefined, status: number) {
  return place?.path ? {} : { http: { status } };
}

interface Shown {
  readonly message: string;
  readonly extensions: Record<string, unknown>;
}

function codeOf(root: unknown, place: GraphQLError | undefined): Shown | undefined {
  if (root instanceof UnauthenticatedError) return { message: root.message, extensions: { code: "UNAUTHENTICATED" } };
  if (root instanceof TenantDisabledError) return { message: root.message, extensions: { code: "TENANT_DISABLED" } };
  if (root instanceof ForbiddenError) return { message: root.message, extensions: { code: "FORBIDDEN" } };
  if (root instanceof BadInputError || root instanceof PothosValidationError) {
    return { message: root.message, extensions: { code: "BAD_USER_INPUT" } };
  }
  // A failure where no result union takes it, such as of a subscription. As an error it is spelled like one: NOT_FOUND.
  if (root instanceof DomainFailure) {
    const issues = root instanceof ValidationFailure ? { issues: root.issues } : {};
    return { message: root.message, extensions: { code: root.code.toUpperCase(), ...issues } };
  }
  if (!(root instanceof GraphQLError)) return undefined;
  if (typeof root.extensions["code"] === "string") return { message: root.message, extensions: { ...root.extensions } };
  if (/^Argument "\w+" (of|has)/.test(root.message)) {
    return {
      message: root.message.replace(/ has invalid value [\s\S]*/, " has an invalid value."),
      extensions: { code: "BAD_USER_INPUT" },
    };
  }
  // During execution, an error without a code is none of ours: a scalar that can't be serialised quotes the value, for one.
  return place?.path ? undefined : { message: root.message, extensions: { ...root.extensions } };
}

const away = { event: "edge.database_away", message: "The database can't be reached at the moment; try again." };
const busy = { event: "edge.database_busy", message: "The database is too busy at the moment; try again." };
const locked = { event: "edge.rows_locked", message: "Somebody else holds what this has to change; try again." };

/** What may be said of an error that says nothing of the request, only of the moment. */
function unavailabilityOf(error: unknown): typeof away | undefined {
  if (isDatabaseAway(error)) return away;
  if (error instanceof BusyError || (error instanceof Error && error.message === poolIsFull)) return busy;
  return isLockTimeout(error) ? locked : undefined;
}

/** What pg-pool 3 says when no connection became free in time; it has no code. */
const poolIsFull = "timeout exceeded when trying to connect";

/**
 * Whether the database was not there: it restarts, takes no more connections, or the connection broke (SQLSTATE classes 57P and 53300, and 08
 * but for 08P01, which is a statement that breaks the protocol). Nothing else that a resolver calls is reached over a socket.
 */
function isDatabaseAway(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : "";
  if (/^(57P0[1-4]|25P03|53300|08(?!P01)[0-9A-Z]{3})$/.test(code)) return true;
  const isOfSocket = "syscall" in error && /^(connect|read|write)$/.test(String(error.syscall));
  if (isOfSocket && /^(ECONNREFUSED|ECONNRESET|EPIPE|ENOENT|ETIMEDOUT)$/.test(code)) return true;
  return /^(Connection terminated|Client has encountered a connection error)/.test(error.message);
}

function isMasked(error: GraphQLError): boolean {
  return error.extensions["code"] === "INTERNAL";
}

function located(message: string, extensions: Record<string, unknown>, place: GraphQLError | undefined): GraphQLError {
  const { nodes, source, positions, path } = place ?? {};
  return new GraphQLError(message, {
    nodes: nodes ?? null,
    source: source ?? null,
    positions: positions ?? null,
    path: path ?? null,
    extensions,
  });
}

function rootOf(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError ? rootOf(error.originalError) : error;
}

/** For the log only. The cause matters as much: a refused statement hides its reason there. */
function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: typeof error };
  return {
    error: error.name,
    stack: error.stack,
    ...(error.cause instanceof Error ? { cause: error.cause.stack } : {}),
  };
}

/**
 * Takes the values out of what graphql-js says about a wrong document: a secret may stand among them.
 * Names (of fields, types, variables, enum values) stay.
 */
export function withoutValues(error: GraphQLError): GraphQLError {
  const message = isAboutValue(error) ? aboutType(error.message) : error.message;
  const plain = message.replace(/(found|Unexpected) (BlockString|String|Int|Float) "[\s\S]*$/, "$1 $2.");
  return plain === error.message ? error : located(plain, { ...error.extensions }, error);
}

const valueKinds: ReadonlySet<string> = new Set([
  Kind.STRING,
  Kind.INT,
  Kind.FLOAT,
  Kind.BOOLEAN,
  Kind.ENUM,
  Kind.NULL,
  Kind.LIST,
  Kind.OBJECT,
]);

function isAboutValue({ nodes, message }: GraphQLError): boolean {
  const [node] = nodes ?? [];
  return node !== undefined && valueKinds.has(node.kind) && !message.startsWith('Field "');
}

/** What was expected instead of what was found; our own scalars' texts hold no value and stay. */
function aboutType(message: string): string {
  const type =
    /^Expected value of type "([^"]+)"/.exec(message)?.[1] ??
    /^Enum "(\w+)" cannot represent/.exec(message)?.[1] ??
    /^Value "\w+" does not exist in "(\w+)" enum/.exec(message)?.[1] ??
    /^(\w+) cannot represent/.exec(message)?.[1];
  return type ? `Expected a value of type ${type}.` : message;
}

/** The error without "Did you mean …?", which would tell what introspection does not. */
export function withoutSuggestion(error: GraphQLError): GraphQLError {
  const message = error.message.replace(/ Did you mean [\s\S]*$/, "");
  return message === error.message ? error : located(message, { ...error.extensions }, error);
}
