import { limits } from "../core/limits.ts";

/** Whether the next line of a run's log is written; `last` once, when the bound is reached. */
export type LogVerdict = "write" | "last" | "drop";

/** Counts the log lines of a run while it is resident. */
export class LogBudget {
  #ofRun = 0;

  /** Asked once for each line of one attempt of a step. */
  ofAttempt(): () => LogVerdict {
    let lines = 0;
    let isOver = false;
    return () => {
      if (isOver) return "drop";
      isOver = lines >= limits.logLinesPerAttemptMax || this.#ofRun >= limits.logLinesPerRunMax;
      if (isOver) return "last";
      lines += 1;
      this.#ofRun += 1;
      return "write";
    };
  }
}
