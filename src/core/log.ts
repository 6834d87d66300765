import { pino } from "pino";

/** Structured log: a constant event name and ids or numbers as fields; never arguments, bodies or secrets. */
export type Log = Pick<ReturnType<typeof pino>, "debug" | "info" | "warn" | "error">;

/** JSON lines on stderr, so that stdout stays the command's own. */
export function createLog(level: string): Log {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: 2, sync: true }));
}

/** Says nothing: for tests and tools. */
export const silentLog: Log = pino({ level: "silent" });
