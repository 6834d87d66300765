/** Bounds of what keeps the product honest (audit, agents, identity, isolation): a part of `limits`, by which all of them are read. */
export const trustLimits = {
  // ---- Audit ----------------------------------------------------------------------------------------------------
  /** Of an entry's detail, as JSON; a longer one is cut and says so. */
  auditDetailBytesMax: 65_536,
};
