import { pino } from "pino";
import type { Log } from "../../src/core/log.ts";
import { leakWatch } from "./watched-leaks.ts";

/** A log that prints nothing and is looked through, at every level. */
export function heardLog(): Log {
  const logger = pino({ level: "debug", base: null }, { write: (line: string) => leakWatch.hear("the log", line) });
  // Each stands alone: tests take them apart.
  return {
    debug: logger.debug.bind(logger),
    info: logger.info.bind(logger),
    warn: logger.warn.bind(logger),
    error: logger.error.bind(logger),
  } as Log;
}

/** The same log, looked through besides. */
export function overheard(log: Log): Log {
  const heard = heardLog();
  const both = (level: keyof Log) =>
    ((...parts: Parameters<Log["info"]>) => {
      heard[level](...parts);
      log[level](...parts);
    }) as Log["info"];
  return { debug: both("debug"), info: both("info"), warn: both("warn"), error: both("error") } as Log;
}
