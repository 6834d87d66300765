import type { ExecutionError } from "./executor.ts";

/** Why a call cannot be carried out: the attempt answers FAILED with it. Thrown within this room only. */
export class AttemptRefused extends Error {
  readonly error: ExecutionError;
  constructor(code: string, message: string) {
    super(message);
    this.error = { code, message };
  }
}
