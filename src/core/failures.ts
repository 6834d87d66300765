/** One problem of a document or an invocation. `line` and `column` count from 1 and are there only where there is a source text. */
export interface Issue {
  /** JSONPath style, e.g. `$.parameters[0].type`; `$` is the whole document. */
  readonly path: string;
  /** Stable, lower_snake. */
  readonly code: string;
  /** What is wrong and what to do about it; safe to show. */
  readonly message: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

/**
 * A refusal that the caller can act on. Its message is safe to show; what only we may see goes into `cause`.
 * Anything thrown that is not a DomainFailure is a bug and is masked at the edge.
 */
export abstract class DomainFailure extends Error {
  /** Stable, lower_snake, e.g. `version_withdrawn`. */
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The input is wrong: every problem of it at once. */
export class ValidationFailure extends DomainFailure {
  readonly issues: readonly Issue[];
  constructor(issues: readonly Issue[], message = summarise(issues), code = "invalid_input") {
    super(code, message);
    this.issues = issues;
  }
}

/** Something with this identity exists already, or differs from what was said before. */
export class ConflictFailure extends DomainFailure {}

/** There is no such thing in the caller's tenant. */
export class NotFoundFailure extends DomainFailure {
  constructor(message: string, code = "not_found") {
    super(code, message);
  }
}

/** The thing exists, but its present state forbids what was asked. */
export class StateFailure extends DomainFailure {}

/** Not signed in: the token is missing, unknown, expired or revoked. Becomes the GraphQL error UNAUTHENTICATED. */
export class UnauthenticatedError extends Error {
  override readonly name = "UnauthenticatedError";
}

/** Signed in, but the tenant is disabled: nothing is done for it. Becomes the GraphQL error TENANT_DISABLED. */
export class TenantDisabledError extends Error {
  override readonly name = "TenantDisabledError";
  constructor() {
    super("This tenant is disabled. Whoever operates the server can enable it again.");
  }
}

/** Signed in, but without the permission. Becomes the GraphQL error FORBIDDEN. */
export class ForbiddenError extends Error {
  override readonly name = "ForbiddenError";
}

/** Waited too long for its turn; what it waited for was not begun, and may be asked for again. Becomes the GraphQL error UNAVAILABLE. */
export class BusyError extends Error {
  override readonly name = "BusyError";
  constructor() {
    super("It was not this one's turn in time.");
  }
}

/** An argument that no result union can carry (a cursor that is none, a page size out of bounds). Becomes BAD_USER_INPUT. */
export class BadInputError extends Error {
  override readonly name = "BadInputError";
}

function summarise(issues: readonly Issue[]): string {
  const [first] = issues;
  if (!first) return "The input is not valid.";
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  return `${first.path}: ${first.message}${more}`;
}
