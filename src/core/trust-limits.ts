/** Bounds of what keeps the product honest (audit, agents, identity, isolation): a part of `limits`, by which all of them are read. */
export const trustLimits = {
  // ---- Isolation of scripts -------------------------------------------------------------------------------------
  /** Private memory of one process of a script (RLIMIT_DATA, which does not count what Node only reserves; Node needs 1 GiB to start well). */
  scriptMemoryBytesMax: 2 * 1024 * 1024 * 1024,
  /** Memory of all processes of one script together, and how often that is looked at: the kernel only counts by process. */
  scriptTotalMemoryBytesMax: 4 * 1024 * 1024 * 1024,
  scriptMemoryLookMs: 500,
  /** Processes and threads of one script: a Node has a dozen threads. */
  scriptProcessesMax: 256,
  /** What a script may keep in its directory and /tmp together, package included: it is memory of the host (tmpfs). */
  scriptDiskBytesMax: 256 * 1024 * 1024,
  /** Files, directories and links therein: each takes about a kilobyte of the kernel's memory. */
  scriptFilesMax: 65_536,
  /** Files that one process of a script has open: the default of most systems. */
  scriptOpenFilesMax: 1_024,
  /** How long the script may take by which a starting server finds out whether it can isolate. */
  isolationTrialMs: 10_000,

  // ---- Identity -------------------------------------------------------------------------------------------------
  /** Length of a JWT's `sub` (OpenID Connect Core 1.0: at most 255 characters), and of the name of its key. */
  jwtSubjectLengthMax: 255,
  jwtKeyIdLengthMax: 256,
  /** Keys that a JWT is tried with where it names none: each try costs up to a tenth of a millisecond. */
  jwtKeysTriedMax: 4,
  /** People who are remembered at once, by the text of their JWT. */
  peopleBelievedMax: 2_000,
  /** People of a tenant whose latest roles are kept, at some hundred bytes each; who came with a new JWT least lately is forgotten first. */
  peoplePerTenantMax: 10_000,
  /** Work that was asked for so soon after its person's JWTs were revoked counts as from before: some node may not have heard of it yet. */
  revocationHeardMs: 5_000,
  /** Tokens, or people, that are looked up by one statement, where many are asked about at once. */
  tokensLoadedMax: 500,
  /** After the streams of a token that ended have said so, its sockets are closed. */
  socketFarewellMs: 500,
  /** How often a node reads which tenants are disabled, besides being told: with `streamAuthorisationMs`, streams of one end within 5 s. */
  disabledTenantsLookMs: 1_000,
  /** How long what was read of them is believed: where it is older, because the database does not answer, nothing begins before it is read again. */
  disabledTenantsBelievedMs: 3_000,
  /** Names and ids of tenants that JWTs have named and that are remembered at once. */
  namedTenantsMax: 1_000,
  /** Between two lines of the log about JWTs that were refused for the same reason: anybody can send bad ones. */
  jwtRefusalLogMs: 10_000,
  /** Age at which the keys of a provider are fetched again: a key that it has withdrawn is not believed for longer than about that. */
  jwksFreshMs: 600_000,
  /** Age up to which they count while the provider does not answer. */
  jwksStaleMs: 3_600_000,
  /** Between two fetches of a provider's keys, whatever tokens come in; and while there are none yet. */
  jwksCooldownMs: 30_000,
  jwksRetryMs: 5_000,
  /** Time a provider has to answer with its keys, the size of that, and the keys in it: large providers have about ten. */
  jwksFetchMs: 5_000,
  jwksBytesMax: 256 * 1024,
  jwksKeysMax: 100,
  /** Callers and addresses whose rates one node remembers. */
  ratedCallersMax: 20_000,
  /** How long a token that was valid is not held up by failed sign-ins, of its address or of all. */
  tokenRememberedMs: 3_600_000,
  /** Failed sign-ins of one address: so many at once, then so many a minute. A token has 256 random bits; this keeps guesses off the database. */
  failedSignInsBurst: 60,
  failedSignInsPerMinute: 60,
  /** The same of all addresses together, on one node: who guesses may have many. */
  allFailedSignInsBurst: 1_200,
  allFailedSignInsPerMinute: 1_200,
  /** Beyond that, tokens that a node has not seen lately are looked up together so often, by two statements, and so many at once: a thousand a second, and as many of addresses that do not fail themselves. */
  suspectsMs: 250,
  suspectsAtOnceMax: 250,

  // ---- Keys -----------------------------------------------------------------------------------------------------
  /** How often a server looks whether its key file was changed; a rotation goes on for twice as long after nothing is left. */
  keyFileLookMs: 2_000,
  /** Sealed texts that are read and encrypted anew at once: 500 take some ten milliseconds. */
  resealRowsMax: 500,

  // ---- Sandbox --------------------------------------------------------------------------------------------------
  /** Commands that a sandboxed run tells of: a script that starts more has no reader. */
  sandboxCommandsMax: 1_000,

  // ---- Audit ----------------------------------------------------------------------------------------------------
  /** Of an entry's detail, as JSON; a longer one is cut and says so. */
  auditDetailBytesMax: 65_536,
  /** Entries that are sealed in one transaction, checked at once or exported at once: with the largest details, 16 MiB in memory. */
  auditPageMax: 256,
  /** How often a node looks for entries to seal: so long can somebody who writes to the tables change what was done without its being found. */
  auditSealMs: 1_000,

  // ---- Agents ---------------------------------------------------------------------------------------------------
  /** How long an enrolment can be used unless it says otherwise, and at most: its token is pasted into a shell of another machine. */
  agentEnrolmentMsDefault: 3_600_000,
  agentEnrolmentMsMax: 7 * 86_400_000,
  /** Agents of a tenant that are not revoked, and enrolments of it that can still be used. */
  agentsPerTenantMax: 1_000,
  agentEnrolmentsPerTenantMax: 1_000,
  /** Tries to enrol that one node takes in a minute: nobody has signed in for them, and each asks the database. */
  agentEnrolmentTriesPerMinuteMax: 300,
  /** Length of what an agent says its version is. */
  agentVersionLengthMax: 64,
  /** How long the offer of a task, and each word of an agent that it is at work, holds: a few renewals may be lost. */
  agentLeaseMs: 15_000,
  /** How long an agent counts as connected without a sign of life of its connection, and how often the connection gives one. */
  agentConnectedMs: 15_000,
  agentLookMs: 5_000,
  /** Tasks that an agent has at once; more wait. */
  agentTasksAtOnceMax: 10,
  /** Tasks of one agent that have not ended; a step that would make one more fails. */
  agentTasksOpenMax: 1_000,
  /** How often whoever waits for a task looks at it besides what notifications tell. */
  agentTaskLookMs: 5_000,
  /** How long a task that is to end waits for its agent's word, while the agent still renews it. */
  agentCancelMs: 30_000,
  /** Lines of one report of an agent: together with `logLineBytesMax` they fit into a request. */
  agentLogLinesMax: 500,
  /** Between two tries to make the agent's program of one file, where that fails: anybody may ask for it, and each try starts a process. */
  agentFileRetryMs: 60_000,
  /** How often a node ends the tasks that nobody waits for any more, how long after their time, and how long after their end their lines are kept. */
  agentSweepMs: 30_000,
  agentSweepGraceMs: 60_000,
};
