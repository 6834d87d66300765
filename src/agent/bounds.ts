/**
 * Bounds of the agent's own, besides those that its scripts have everywhere (`core/script-limits.ts`). The name ends in the unit. Where the server
 * has a bound of the same thing, `test/agent/protocol.test.ts` holds the two together.
 */
export const bounds = {
  // ---- Tasks ------------------------------------------------------------------------------------------------------
  /** Values of a result: the server reads no message with more than 150,000 of them. */
  outputValuesMax: 140_000,
  /** Scripts at work at once, as many as the server offers; further tasks wait in line, acknowledged. */
  tasksAtOnceMax: 10,
  /** Tasks in hand, those that wait among them. Beyond it none is acknowledged, so that the server offers it again. */
  tasksInHandMax: 100,
  /** Renewals in one lease, so that one that is lost costs nothing. */
  renewalsPerLease: 3,
  /** Log lines that the server has not accepted yet are kept up to this size per task; what comes beyond it is dropped, with a notice. */
  unsentLogBytesMax: 4 * 1024 * 1024,
  /** Lines of one message, and about its bytes: the server takes 8 MiB. */
  logBatchLinesMax: 200,
  logBatchBytesMax: 256 * 1024,
  /** Tasks that are remembered as answered, so that none is run again. */
  answeredTasksMax: 10_000,
  /** When asked to stop: how long scripts may take to end by themselves, and then how long results may take to be delivered. */
  stopGraceMs: 10_000,
  stopDeliveryMs: 5_000,

  // ---- The connection ---------------------------------------------------------------------------------------------
  /** The first and the longest wait before connecting again; in between it doubles. A cut of the network is noticed at most this late. */
  reconnectMsMin: 500,
  reconnectMsMax: 15_000,
  /** A connection that lasted this long was a good one: the next wait is short again. */
  connectionGoodMs: 10_000,
  /** Silence after which the agent asks whether the server is there, and how long it waits for the answer. */
  pingMs: 10_000,
  pongMs: 10_000,
  /** Until the server has accepted the connection. */
  connectMs: 20_000,
  /** Until a request is answered; then the connection is taken for dead. */
  answerMs: 60_000,
  /** A message of the server: the largest package is 4 MiB, in base64 or escaped as JSON up to six times as much. */
  messageBytesMax: 64 * 1024 * 1024,
  /** How often a request is sent that the server closes the connection over, before it is given up. */
  refusedSendsMax: 3,
  /** Answers in a row that say the credential is not valid, before the agent believes it. */
  refusedConnectionsMax: 2,
} as const;
