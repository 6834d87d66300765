/** Bounds of what keeps the product honest (audit, agents, identity, isolation): a part of `limits`, by which all of them are read. */
export const trustLimits = {
  // ---- Sandbox --------------------------------------------------------------------------------------------------
  /** Commands that a sandboxed run tells of: a script that starts more has no reader. */
  sandboxCommandsMax: 1_000,

  // ---- Audit ----------------------------------------------------------------------------------------------------
  /** Of an entry's detail, as JSON; a longer one is cut and says so. */
  auditDetailBytesMax: 65_536,
};
