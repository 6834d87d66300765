/**
 * Bounds of scripts and of what they answer, on a server and on an agent's machine: a part of `limits`, and the only one that goes into the agents'
 * program.
 */
export const scriptLimits = {
  // ---- Scripts and their answers, on servers and on agents' machines --------------------------------------------
  /** Depth of any JSON or YAML that comes in. */
  documentDepthMax: 64,
  /** Result of one step as JSON; more fails the step with `output_too_large`. */
  outputBytesMax: 1024 * 1024,
  /** Length of a free text such as a reason or an error's message, and of a name or an error's code. */
  textLengthMax: 2_000,
  nameLengthMax: 128,
  /** Length of the path of a package's file. */
  packagePathLengthMax: 255,
  /** One log line; the rest is cut and marked. */
  logLineBytesMax: 8 * 1024,
  /** Log lines of one step's attempt; beyond it they are dropped and a notice says so. */
  logLinesPerAttemptMax: 10_000,
  /** From SIGTERM to SIGKILL for a script that does not end. */
  scriptKillGraceMs: 2_000,
  /** How long a killed process may take to be gone, and the pipes it held to close, before its attempt ends without it. */
  scriptGoneMs: 2_000,
  /** One file that a script writes (ulimit -f): a runaway log does not fill the disk. */
  scriptFileBytesMax: 1024 * 1024 * 1024,
} as const;
