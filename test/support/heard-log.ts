import { pino } from "pino";
import type { Log } from "../../src/core/log.ts";

/** A log that prints nothing; each line of it is heard, at every level. */
export function heardLog(hear: (line: string) => void): Log {
  const logger = pino({ level: "debug", base: null }, { write: hear });
  // Each stands alone: tests take them apart.
  return {
    debug: logger.debug.bind(logger),
    info: logger.info.bind(logger),
    warn: logger.warn.bind(logger),
    error: logger.error.bind(logger),
  } as Log;
}

/** The same log, heard by another besides. */
export function overheard(log: Log, heard: Log): Log {
  const both = (level: keyof Log) =>
    ((...parts: Parameters<Log["info"]>) => {
      heard[level](...parts);
      log[level](...parts);
    }) as Log["info"];
  return { debug: both("debug"), info: both("info"), warn: both("warn"), error: both("error") } as Log;
}
