import { edgeLimits } from "./edge-limits.ts";
import { liveActionLimits } from "./live-action-limits.ts";
import { scriptLimits } from "./script-limits.ts";
import { trustLimits } from "./trust-limits.ts";

/**
 * Every bound of the product, in one place; those of the edge stand in `edge-limits.ts`, those of live actions in `live-action-limits.ts`, those
 * of scripts that hold on agents' machines too in `script-limits.ts`, those of trust (audit, agents, identity, isolation) in `trust-limits.ts`.
 * The name ends in the unit, the comment says why it is what it is.
 * Changing one changes what the API accepts, so it belongs in the CHANGELOG.
 */
export const limits = {
  ...edgeLimits,
  ...liveActionLimits,
  ...scriptLimits,
  ...trustLimits,

  // ---- Documents ------------------------------------------------------------------------------------------------
  /** A playbook's source text. */
  playbookSourceBytesMax: 1024 * 1024,
  /** Steps of a playbook, branches included. */
  playbookStepsMax: 1_000,
  /** Values (objects, lists and what they hold) of one document, copies made by YAML aliases included: what bounds an alias bomb. */
  documentValuesMax: 50_000,
  /** All texts of one document together, those that aliases repeat included: twice the largest source. */
  documentTextLengthMax: 2 * 1024 * 1024,
  /** Patterns in the expressions of one document: compiling one takes up to 10 ms. */
  documentPatternsMax: 200,
  /** The names that lead to a value, as in `$.steps[0].parameters.host`: each value is remembered by them. */
  documentPathLengthMax: 1_000,
  /** Marks and words of one YAML text; 1,000 steps of 12 fields have 72,000. Reading 200,000 takes up to half a second. */
  documentLexemesMax: 200_000,
  /** Roles and people that one approval names: any one of them decides. */
  approversMax: 50,
  /** Length of a playbook's name, and of a step's. */
  playbookNameLengthMax: 255,
  /** Longest life of a run that a playbook may ask for: two years, in minutes. */
  playbookTimeoutMinutesMax: 1_051_200,
  /** Source bytes of all compiled playbooks that one process keeps; compiled they take a few times as much. */
  planCacheBytesMax: 16 * 1024 * 1024,
  /** Compiled triggers that one process keeps; those of 10,000 playbooks take about 20 MiB. */
  triggerCacheBytesMax: 64 * 1024 * 1024,
  /** How long an event is matched with triggers before others have a turn: 10,000 playbooks take a few milliseconds. */
  triggerSliceMs: 5,
  /** An action definition as JSON. */
  definitionBytesMax: 256 * 1024,
  /** Each number of a version: nine digits fit PostgreSQL's integer. */
  versionNumberMax: 999_999_999,
  /** Length of an action's name at least, and of its description at most (S4E action schema). */
  actionNameLengthMin: 3,
  actionDescriptionLengthMax: 1_024,
  /** Length of a parameter's name, which is also a variable of a script's environment. */
  parameterNameLengthMax: 64,
  /** Values of an enum parameter, and the length of one. */
  allowedValuesMax: 1_000,
  allowedValueLengthMax: 256,
  /** Variables of an input or output mapping. */
  mappingEntriesMax: 200,
  /** Headers of a remote action, the length of one's value, and of a target. */
  headersMax: 50,
  headerValueLengthMax: 8 * 1024,
  targetLengthMax: 2_048,
  /** A reference to an action: its name, `@` and a version. */
  referenceLengthMax: 256,
  /** How long a node believes what an action resolved to without looking again, when no notification told it of a change. */
  actionBelievedMs: 1_000,
  /** Tenants whose variables are kept in memory, believed as long. */
  variableTenantsMax: 1_000,
  /** Definitions (as JSON) and package files that one node keeps in memory. */
  actionCacheBytesMax: 16 * 1024 * 1024,
  packageCacheBytesMax: 32 * 1024 * 1024,
  /** Parameters of one action. */
  parametersMax: 100,
  /** Tags of an action or a playbook, and the length of one. */
  tagsMax: 50,
  tagLengthMax: 128,
  /** Problems reported at once; more would not be read. */
  issuesMax: 200,
  /** Files of one action package, the size of one and of all. */
  packageFilesMax: 200,
  packageFileBytesMax: 2 * 1024 * 1024,
  packageBytesMax: 4 * 1024 * 1024,

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
  /** All that one rendering puts in, together: a few full outputs fit, a list of thousands of them does not. */
  renderedValueBytesMax: 4 * 1024 * 1024,
  /** Brackets, lists and negations inside each other; a reader loses track long before. */
  expressionDepthMax: 64,
  /** Groups of conditions inside each other, and rules of one `conditions` object. */
  conditionDepthMax: 16,
  conditionRulesMax: 200,
  /** Instructions of a compiled pattern: 5,000 compile within 10 ms; 160,000 took 600. */
  patternInstructionsMax: 5_000,
  /** Time one pattern may work on a text: linear engines can still need 12 us for a character. */
  patternMatchMs: 50,
  /** Texts up to this length can't reach `patternMatchMs`, so they are matched without the clock's cost (0.2 ms). */
  patternUnclockedLengthMax: 1_000,
  /** Longest written duration: ten years. */
  durationMsMax: 3_650 * 86_400_000,
  durationLengthMax: 64,
  /** Parsed templates, expressions and networks that are kept, and the longest text that is. */
  parsedTextsKeptMax: 2_000,
  keptTextLengthMax: 2_000,
  /** Compiled patterns that are kept: about 3,000 ordinary ones. Compiling one takes as long as twenty searches with it. */
  patternCacheBytesMax: 32 * 1024 * 1024,
  /** Warnings of one rendering or evaluation; more would not be read. */
  warningsMax: 20,

  // ---- Secrets and variables ------------------------------------------------------------------------------------
  /** One secret's value: keys and certificates fit. */
  secretBytesMax: 64 * 1024,
  variableBytesMax: 16 * 1024,
  secretsPerTenantMax: 10_000,
  /** Every variable of a tenant is read for each run that starts. */
  variablesPerTenantMax: 500,
  /** Names that one call resolves: every parameter of an action. */
  secretNamesMax: 100,
  /** Values shorter than this are not masked: they would blank out ordinary text. */
  maskedLengthMin: 4,
  /** Lines of a multi-line secret shorter than this are not masked by themselves. */
  maskedLineLengthMin: 8,
  /** Longer forms of a secret are masked in pieces of this length, so that no stream has to hold back more. */
  maskedPieceLengthMax: 256,

  // ---- Invocations and runs -------------------------------------------------------------------------------------
  /** Context of a run (finding, asset, …) as JSON. */
  contextBytesMax: 256 * 1024,
  /** Outputs of all steps of one run together. */
  runOutputBytesMax: 16 * 1024 * 1024,
  /** Arguments of all steps of one run together, as the journal keeps them: a thousand branches may be given one large output each. */
  runInputBytesMax: 16 * 1024 * 1024,
  /** Log lines of a run; beyond it they are dropped and a notice says so. */
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
  /** What the runs in a node's memory may hold together, of what V8 may take: writing an output takes a few times its size for a moment. And the least it is. */
  heldHeapShare: 0.25,
  heldBytesMin: 64 * 1024 * 1024,
  /** How far a run's row may lag behind what the run holds in memory: smaller steps are not worth writing to the row. */
  heldLagBytes: 64 * 1024,
  /** How long a due run that there is no room for keeps those behind it waiting, each time: most steps of what is here end by then. */
  largeInWayMs: 5_000,
  /** What runs that are claimed at once hold together: read within `engineQueryMs` by far. */
  claimBytesMax: 64 * 1024 * 1024,
  /** A run that only waits, and for longer than this, is put out of memory until then. */
  parkAfterMs: 10_000,
  /** The same where it waits for people. Shorter waits are not worth writing the run away and reading it again. */
  parkForPeopleMs: 1_000,
  /** A run that waits for people without any bound is looked at again after this long: a year. */
  parkMsMax: 31_536_000_000,
  /** What a request for approval shows of what it lets happen, as JSON: some dozens of steps, and the arguments of the next. */
  approvalEffectBytesMax: 32 * 1024,
  /** Between two tries to read what a step needs, while the database is away. */
  prepareRetryMs: 1_000,
  /** Executors at work at once on one node; more wait in line. */
  executorsMax: 200,
  /** The part of `executorsMax` that one tenant may hold, so that there is always room for another. */
  executorsPerTenantMax: 150,
  /** Journals of a node, each with a connection of its own; further ones are used only under load. */
  journalsMax: 2,
  /** Entries waiting in the first journal from which on further runs go to another. */
  journalLoadMax: 200,
  /** Transitions in one flush of the journal, and about the bytes of what they carry: writing them out takes 20 ms for each MiB. */
  flushEventsMax: 4_000,
  flushBytesMax: 4 * 1024 * 1024,
  /** What waits for one journal, as it is held in memory, from which on scripts are read no faster than their lines are written: a flush. */
  journalWaitingBytesMax: 4 * 1024 * 1024,
  /** How long one turn of the event loop prepares steps and reads outputs before others have theirs, heartbeats among them. */
  turnMs: 20,
  /** Entries of a flush that hear in one turn of the event loop: about 2 ms of work, in which nothing else of the process moves. */
  settledPerTurnMax: 100,

  // ---- Events ---------------------------------------------------------------------------------------------------
  /** What makes an event the same when it is delivered again: a CloudEvent's source and id fit. */
  eventKeyLengthMax: 512,
  /** Completions between the run that a chain began with and the last run of it: far more than people can follow. */
  chainDepthMax: 16,
  /** Runs that one run may lead to by its completions, and theirs: a chain that multiplies is stopped here. */
  chainRunsMax: 100,
  /** Names of playbooks in one notice of what was held back; more would not be read. */
  heldBackNamesMax: 10,
  /** Events that one look at the undispatched ones reads, and how many of them are dispatched at once: four of the ORM's ten connections. */
  dispatchBatchMax: 200,
  dispatchesMax: 4,
  /** Runs that one event starts at the same time; more follow. */
  dispatchStartsMax: 20,
  /** How old an undispatched event is before others than the one who received it take it up: a dispatch takes some milliseconds. */
  dispatchGraceMs: 1_000,
  /** The longest wait before an event that could not be dispatched is tried again, and for how many such events a node remembers it. */
  dispatchRetryMsMax: 60_000,
  dispatchFailuresKeptMax: 1_000,
  /** Ticks of schedules that become events in one transaction. */
  ticksMax: 100,

  // ---- The cluster ----------------------------------------------------------------------------------------------
  /** How long a node stays the owner of its runs without a heartbeat. */
  leaseMs: 5_000,
  /** How long before the end of its lease a node that can't renew it ends its executors: their kill grace, and a little for the kill itself. */
  leaseMarginMs: 2_500,
  /** How far this node's idea of the time may be from the database's before it is set right. */
  clockToleranceMs: 100,
  /** Heartbeats: five to a lease, so that one lost is no death. */
  heartbeatMs: 1_000,
  /** How long a stopping node waits for its executors. */
  drainMs: 10_000,
  /** How often a node looks for free and orphaned runs besides what notifications tell. */
  sweepMs: 1_000,
  /** Until a run that could not be read (a key is missing, say) is tried again. */
  loadRetryMs: 30_000,
  /** Runs claimed at once. */
  claimMax: 500,
  /** How long such runs are read and resumed before others have a turn, heartbeats among them: one of a thousand branches takes 10 ms. */
  takeUpSliceMs: 20,
  /** A query of the engine that is not answered within this time is on a dead connection; reading 500 long runs takes a second or two. */
  engineQueryMs: 10_000,
  /** The same of a prepared statement of requests and live actions: longer than it may wait for the rows of a client that is gone (`transactionIdleMs`). */
  statementMs: 30_000,
  /** A transaction that says nothing for this long is of a client that is gone or stopped: it is rolled back, for the sake of those who wait for its rows. */
  transactionIdleMs: 10_000,
  /** How long one waits for a connection of a pool, and for a new one to be made: who waits for longer is told to try again. */
  connectionWaitMs: 10_000,
  /** How long a statement of a request waits for a lock, which somebody may hold from outside for hours. Half of `connectionWaitMs`: who comes behind such requests gets a connection all the same. */
  requestLockMs: 5_000,
  /** The same of a statement of what goes on by itself, which is tried again: longer than a client that is gone can hold a lock (`transactionIdleMs`). */
  lockMs: 15_000,
  /** Of the ten connections for requests: where one tenant's wait for a lock, the others still have some. */
  tenantConnectionsMax: 8,

  // ---- Streams --------------------------------------------------------------------------------------------------
  /** Events waiting for one subscriber in memory; a slower one is served from the journal instead. */
  subscriberQueueMax: 250,
  /** Rows of one read from the journal. */
  streamPageMax: 200,
  /** How often a stream looks at the journal besides what notifications tell. */
  streamPollMs: 5_000,
  /** Between two looks at what changed in a tenant: a dashboard needs the latest state, not each of a thousand in a second. */
  tenantUpdatesMs: 50,

  // ---- The embedded database ------------------------------------------------------------------------------------
  /** From asking PostgreSQL to stop to forcing it: a checkpoint of all of `shared_buffers` on a slow disk fits. */
  postgresStopMs: 30_000,
  /** After that, from one harder signal to the next. PostgreSQL itself gives its processes 5 s to quit. */
  postgresQuitMs: 6_000,
  /** Time the backends of a dead postmaster have to notice it by themselves. */
  postgresOrphanMs: 2_000,
  /** Until PostgreSQL answers: after a crash it first replays its log, up to a gigabyte. */
  postgresReadyMs: 600_000,
  /** One question whether it is ready; one that is asked while PostgreSQL dies may get no answer at all. */
  postgresAnswerMs: 2_000,
  /** Starts before the first one is given up; and the first and the longest wait between two starts. */
  postgresStartTriesMax: 3,
  postgresRetryMs: 100,
  postgresRetryMsMax: 5_000,
  /** What is kept of PostgreSQL's output for the message when it does not start. */
  postgresLastWordsLengthMax: 8 * 1024,
  /** Tries to claim a data directory when two servers come at once, and about how far apart. */
  claimTriesMax: 5,
  claimRetryMs: 50,
  /** How often a claim is touched, and the silence after which one of another host counts as dead. */
  claimTouchMs: 1_000,
  claimSilenceMs: 5_000,
} as const;
