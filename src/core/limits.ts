/**
 * Every bound of the product, in one place: name ends in its unit, the comment says why it is what it is.
 * Changing one changes what the API accepts, so it belongs in the CHANGELOG.
 */
export const limits = {
  // ---- The edge -------------------------------------------------------------------------------------------------
  /** A package of scripts travels base64-encoded in one mutation; 8 MiB holds the largest allowed package with room. */
  requestBodyBytesMax: 8 * 1024 * 1024,
  /** Nesting of a selection set; the deepest document of client/operations has 9. */
  queryDepthMax: 16,
  /** Aliases in one document: a flood of them repeats an expensive field. */
  queryAliasesMax: 60,
  /** Directives in one document. */
  queryDirectivesMax: 60,
  /** Root fields in one operation. */
  queryRootFieldsMax: 20,
  /** Lexer tokens of one document; ours have at most 400. */
  queryTokensMax: 4_000,
  /** Sum of the fields an operation may resolve, connections multiplied by their page size. */
  queryCostMax: 50_000,
  /** A page of any connection. */
  pageSizeMax: 100,
  /** A page when neither `first` nor `last` is given. */
  pageSizeDefault: 20,
  /** A frame of the WebSocket, as sent by clients. */
  webSocketFrameBytesMax: 8 * 1024 * 1024,
  /** Time a socket has to send connection_init. */
  webSocketInitMs: 5_000,
  /** Open operations on one socket. */
  webSocketOperationsMax: 200,

  // ---- Documents ------------------------------------------------------------------------------------------------
  /** Depth of any JSON or YAML that comes in. */
  documentDepthMax: 64,
  /** A playbook's source text. */
  playbookSourceBytesMax: 1024 * 1024,
  /** Steps of a playbook, branches included. */
  playbookStepsMax: 1_000,
  /** An action definition as JSON. */
  definitionBytesMax: 256 * 1024,
  /** Parameters of one action. */
  parametersMax: 100,
  /** Tags of an action or a playbook, and the length of one. */
  tagsMax: 50,
  tagLengthMax: 128,
  /** Problems reported at once; more would not be read. */
  issuesMax: 200,
  /** Files of one action package, the size of one and of all, and the length of a path. */
  packageFilesMax: 200,
  packageFileBytesMax: 2 * 1024 * 1024,
  packageBytesMax: 4 * 1024 * 1024,
  packagePathLengthMax: 255,
  /** Length of a free text such as a reason or a name. */
  textLengthMax: 2_000,
  nameLengthMax: 128,

  // ---- Expressions ----------------------------------------------------------------------------------------------
  /** An expression's text; longer ones overflow the parser's stack. */
  expressionLengthMax: 4_000,
  /** A template's text. */
  templateLengthMax: 64 * 1024,
  /** Segments of one path. */
  pathSegmentsMax: 32,
  /** A user's regular expression. */
  patternLengthMax: 1_000,
  /** Text a pattern is run over; beyond it the match is refused rather than slow. */
  patternInputLengthMax: 1024 * 1024,
  /** A template's rendered text. */
  renderedBytesMax: 1024 * 1024,

  // ---- Secrets and variables ------------------------------------------------------------------------------------
  /** One secret's value: keys and certificates fit. */
  secretBytesMax: 64 * 1024,
  variableBytesMax: 16 * 1024,
  secretsPerTenantMax: 10_000,
  /** Values shorter than this are not masked: they would blank out ordinary text. */
  maskedLengthMin: 4,
  /** Lines of a multi-line secret shorter than this are not masked by themselves. */
  maskedLineLengthMin: 8,
  /** Longer forms of a secret are masked in pieces of this length, so that no stream has to hold back more. */
  maskedPieceLengthMax: 256,

  // ---- Invocations and runs -------------------------------------------------------------------------------------
  /** Context of a run (finding, asset, …) as JSON. */
  contextBytesMax: 256 * 1024,
  /** Result of one step as JSON; more fails the step with `output_too_large`. */
  outputBytesMax: 1024 * 1024,
  /** Outputs of all steps of one run together. */
  runOutputBytesMax: 16 * 1024 * 1024,
  /** One log line; the rest is cut and marked. */
  logLineBytesMax: 8 * 1024,
  /** Log lines of one step's attempt, and of a run; beyond it they are dropped and a notice says so. */
  logLinesPerAttemptMax: 10_000,
  logLinesPerRunMax: 50_000,
  /** Bytes of an HTTP response's body, after decompression. */
  responseBytesMax: 1024 * 1024,
  /** Decompressed bytes for each compressed one; real JSON stays far below, a bomb has a thousand. */
  responseRatioMax: 200,
  /** Below this size the ratio says nothing: a small answer of blanks is harmless. */
  responseRatioBytesMin: 64 * 1024,
  /** All headers of an HTTP response together. */
  responseHeaderBytesMax: 16 * 1024,
  /** Redirects followed, all within one origin. */
  redirectsMax: 5,
  /** From SIGTERM to SIGKILL for a script that does not end. */
  scriptKillGraceMs: 2_000,
  /** How long a killed process may take to be gone, and the pipes it held to close, before its attempt ends without it. */
  scriptGoneMs: 2_000,
  /** One file that a script writes (ulimit -f): a runaway log does not fill the disk. */
  scriptFileBytesMax: 1024 * 1024 * 1024,
  /** Longest wait between two attempts. */
  backoffMsMax: 3_600_000,
  /** Longest attempt of an action. */
  timeoutSecondsMax: 3_600,
  timeoutSecondsDefault: 300,
  /** Attempts of an action's executor; retries of a step and of a playbook. */
  attemptsMax: 100,
  /** Times a step may be interrupted by the death of its node before it fails: a step that kills its node must not do so for ever. */
  interruptionsMax: 5,
  /** Runs that one node holds in memory; more wait as QUEUED until there is room. */
  residentRunsMax: 5_000,
  /** Executors at work at once on one node; more wait in line. */
  executorsMax: 200,
  /** The part of `executorsMax` that one tenant may hold while others wait. */
  executorsPerTenantMax: 100,
  /** Transitions in one flush of the journal. */
  flushEventsMax: 4_000,

  // ---- The cluster ----------------------------------------------------------------------------------------------
  /** How long a node stays the owner of its runs without a heartbeat. */
  leaseMs: 5_000,
  /** Heartbeats: five to a lease, so that one lost is no death. */
  heartbeatMs: 1_000,
  /** How long a stopping node waits for its executors. */
  drainMs: 10_000,
  /** How often a node looks for free and orphaned runs besides what notifications tell. */
  sweepMs: 1_000,
  /** Runs claimed at once. */
  claimMax: 500,

  // ---- Streams --------------------------------------------------------------------------------------------------
  /** Events waiting for one subscriber in memory; a slower one is served from the journal instead. */
  subscriberQueueMax: 1_000,
  /** Rows of one read from the journal. */
  streamPageMax: 500,
  /** How often a stream looks at the journal besides what notifications tell. */
  streamPollMs: 1_000,
} as const;
