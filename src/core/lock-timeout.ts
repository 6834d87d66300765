/** Whether the database gave a statement up because somebody held a lock for too long (SQLSTATE 55P03): nothing of it has happened. */
export function isLockTimeout(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "55P03";
}
