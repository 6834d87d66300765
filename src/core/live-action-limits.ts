/** Bounds of live actions and of what vendors are asked: a part of `limits`, by which all of them are read. */
export const liveActionLimits = {
  // ---- Live actions ---------------------------------------------------------------------------------------------
  /** A request's id, the id of its case, and the name of who asks: as long as their columns. */
  idLengthMax: 255,
  /** After the time of its adapter: until a dispatch whose node has not written its result counts as lost. */
  dispatchLeaseMarginMs: 15_000,
  /** How often a node looks whether dispatches have ended that it waits for, besides what notifications tell. */
  dispatchPollMs: 500,
  /** Between two looks at all of them, however much happens in their tenants meanwhile. */
  dispatchLookMs: 50,
  /** All of a tenant's are listed at once; there are a few for each pair. */
  policiesPerTenantMax: 1_000,
  /** What tenants said last, as one node remembers it: a policy is some hundred bytes. */
  governanceBytesMax: 16 * 1024 * 1024,
  /** How often a dispatch is decided anew since its tenant says something else by now; then it goes by what was read just before. */
  governanceChangesMax: 5,
  /** How long people have to decide about a dispatch where no policy says, and the most that one may say: its credentials are kept as long. */
  approvalMinutesDefault: 24 * 60,
  approvalMinutesMax: 30 * 24 * 60,
  /** Dispatches that one statement ends whose time for a decision is over. */
  expiredPerSweepMax: 1_000,
  /** Calls a day, what one costs, and what a month may: far beyond what anybody pays, and within PostgreSQL's integer. */
  policyAmountMax: 1_000_000_000,
  /** How often a request is sent again that a vendor was too busy for, and how long it may wait for that in all: vendors count by the minute. */
  vendorResendsMax: 3,
  vendorWaitMsMax: 60_000,
  /** The first wait where a busy vendor does not say how long; each further one is twice as long. */
  vendorRetryMs: 1_000,
  /** What is kept of a vendor's own words for why it refused. */
  vendorMessageLengthMax: 500,
  /** Sign-in tokens of vendors that one process keeps; one of a tenant's vendors takes 2 KiB. */
  vendorTokensMax: 1_000,
  /** How long a token is kept at most, and how long before its end it is no longer handed out: a call with it may take its time. */
  vendorTokenMsMax: 3_600_000,
  vendorTokenMarginMs: 60_000,
  /** Between two questions how it goes with what a vendor accepted, and for how long it is asked: who waits longer has its id. */
  vendorPollMs: 2_000,
  vendorCompletionMs: 30_000,
  /** Devices that a vendor is asked for by one name; its search finds similar names too. */
  vendorMatchesMax: 100,
  /** What a result shows of the output of a command on a host. */
  vendorOutputLengthMax: 16 * 1024,
  /** How long Falcon waits for a host to connect, to run a command, and to run a script; and how long a file may take to its cloud. */
  rtrSessionSeconds: 30,
  rtrCommandSeconds: 60,
  rtrScriptSeconds: 120,
  rtrUploadMs: 90_000,
  /** Pages of one listing of AWS, and the largest pages that it gives of rules and of a prefix list's entries: each list has at most 1,000. */
  awsPagesMax: 20,
  awsRulesPageMax: 1_000,
  awsEntriesPageMax: 100,
  /** How long a changed security group is looked at until it shows the change: EC2 answers what it knew a moment ago. */
  awsCompletionMs: 10_000,
  /** Rows of a search that a result shows, and their size as JSON: a person looks at some, a machine asks the SIEM itself. */
  siemRowsShownMax: 50,
  siemRowsBytesMax: 256 * 1024,
  /** Rows that a search may find, and where its caller does not say. */
  siemRowsMax: 10_000,
  siemRowsDefault: 500,
  /** A search's text. */
  siemQueryLengthMax: 32 * 1024,
  /** How long a SIEM works on one search before it answers what it has so far. */
  siemSearchMs: 100_000,

  // ---- Plugins --------------------------------------------------------------------------------------------------
  /** From the start of a plugin's thread to the end of its setup: a server that starts waits for it. */
  pluginStartMs: 10_000,
  /** Pairs of one plugin: more than any vendor has verbs. */
  pluginPairsMax: 200,
  /** How long a call of a plugin may take where its executor does not say, and the most that it may say. */
  pluginTimeoutMsDefault: 30_000,
  pluginTimeoutMsMax: 600_000,
  /** How long a preview may take: it contacts nobody. */
  pluginPreviewMs: 5_000,
  /** After a call that was given up, how long a thread may take to show that it still listens; one that loops does not. */
  pluginPongMs: 2_000,
  /** How long a server that stops waits for a thread to be gone; one that waits for a child process takes as long as that. */
  pluginGoneMs: 2_000,
  /** The first and the longest wait before a plugin that ended is started again; each is twice the one before. */
  pluginRestartMs: 100,
  pluginRestartMsMax: 30_000,
  /** One that lived as long begins with the shortest wait again. */
  pluginSteadyMs: 60_000,
  /** How long a call waits for a plugin that is being started again: longer than a start usually takes. */
  pluginReadyMs: 5_000,
  /** Calls that one plugin has under way: as many as there are executors of actions. */
  pluginCallsMax: 200,
  /** A plugin's own JavaScript memory, which the engine keeps to; buffers are not in it. */
  pluginHeapMebibytesMax: 256,
  pluginStackMebibytesMax: 4,
  /** What a plugin holds in buffers, and how often that is looked at: nothing keeps a thread to it, so a moment's greed goes further. */
  pluginBuffersMebibytesMax: 256,
  pluginBuffersLookMs: 1_000,
  /** What a thread may say at once: the largest answer, each character of it escaped once, and what is around it. */
  pluginMessageLengthMax: 2 * 1024 * 1024,
  /** Lines of a plugin's output that go to the log in such a time; the others are counted. */
  pluginLogLinesMax: 1_000,
  pluginLogMs: 60_000,
  /** The latest secrets that a plugin was handed, which are masked in its output. */
  pluginSecretsMax: 500,
} as const;
