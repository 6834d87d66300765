/** Bounds of live actions and of what vendors are asked: a part of `limits`, by which all of them are read. */
export const liveActionLimits = {
  // ---- Live actions ---------------------------------------------------------------------------------------------
  /** A request's id, the id of its case, and the name of who asks: as long as their columns. */
  idLengthMax: 255,
  /** After the time of its adapter: until a dispatch whose node has not written its result counts as lost. */
  dispatchLeaseMarginMs: 15_000,
  /** How often a repeated request looks whether the first has ended, besides what notifications tell. */
  dispatchPollMs: 500,
  /** All of a tenant's are listed at once; there are a few for each pair. */
  policiesPerTenantMax: 1_000,
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
} as const;
