/** `code` is stable where it is ours (`exit_code`, `http_status`, `egress_refused`, …); a script may answer its own, as text. */
export interface ExecutionError {
  readonly code: string;
  readonly message: string;
}

/** Why an attempt can't be carried out: it has failed with this error. */
export class AttemptRefused extends Error {
  readonly error: ExecutionError;
  constructor(code: string, message: string) {
    super(message);
    this.error = { code, message };
  }
}
