/** Bounds of what callers send and who they are: the first part of `limits`, by which all of them are read. */
export const edgeLimits = {
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
  /** Text of a document; values belong into variables. Comments are no tokens, so tokens alone bound nothing. */
  queryLengthMax: 128 * 1024,
  /** Fields of one operation with every fragment spread out: what bounds introspection, whose cost is not counted. */
  queryFieldsMax: 1_000,
  /** Parsed and validated documents that are remembered, and the longest of them: together at most about 8 MB of text. */
  documentCacheMax: 500,
  documentCacheLengthMax: 16 * 1024,
  /** Different things that are done together for several callers at once (a query that is the same, statements of a tenant), and callers who wait for one of them; beyond that each is served alone. */
  gatherKeysMax: 2_000,
  gatheredMax: 10_000,
  /** Of what is gathered for one statement: a hundred results of the largest size are a text of 100 MiB, and PostgreSQL takes 256 MiB of them. */
  togetherMax: 100,
  /** Such statements of a tenant at once: where they wait for a lock, most connections of the pool are left to the others. */
  togetherBesideMax: 3,
  /** JSON of the variables of a query that is shared: what is longer is hardly asked twice at once, and would cost memory for its key. */
  sharedQueryVariablesLengthMax: 8 * 1024,
  /** How long one waits for what is under way before it: beside what is slow, the next begins. */
  gatherWaitMs: 20,
  /** Problems of one document or its variables that are told at once. */
  queryErrorsMax: 50,
  /** Nesting of a request's variables: a document of `documentDepthMax` inside an input. */
  requestDepthMax: 80,
  /** Values in the JSON of a request: the largest context has fewer. Reading 600,000 of them takes seconds, in which nothing else moves. */
  requestValuesMax: 150_000,
  /** The URL of a GET, and all headers of a request. */
  requestHeaderBytesMax: 32 * 1024,
  /** Time a client has to send a whole request. */
  requestReceiveMs: 60_000,
  /** After a refusal before the body was read: time the client has to read the answer before the connection is cut. */
  requestLingerMs: 2_000,
  /** A frame of the WebSocket, as sent by clients. */
  webSocketFrameBytesMax: 8 * 1024 * 1024,
  /** Time a socket has to send connection_init. */
  webSocketInitMs: 5_000,
  /** Answers that wait to be sent on one socket: streams have one each, so only who asks without reading has more, and is read no further. */
  webSocketUnsentMax: 1_000,
  /** Open operations on one socket. */
  webSocketOperationsMax: 200,
  /** Fragments of one message; more is a flood of tiny ones. */
  webSocketFragmentsMax: 1_024,
  /** Sockets of one token on one node. */
  webSocketsPerTokenMax: 6_000,
  /** Sockets without a valid token on one node: they can do next to nothing. */
  webSocketsAnonymousMax: 100,
  /** Between two signs of life on an idle stream: proxies cut what is silent for 30 s and more. */
  streamHeartbeatMs: 12_000,
  /** How often the token behind an open stream is looked at again: with `tokenBelievedMs`, a revoked one ends its streams within 5 s, with some to spare. */
  streamAuthorisationMs: 3_000,

  // ---- Tenancy ---------------------------------------------------------------------------------------------------
  /** A bearer token's text: ours have 47 characters; a configured one and a JWT may be longer. */
  tokenLengthMax: 8 * 1024,
  /** How long a token is believed without being looked up again: revoking it works everywhere within this time. */
  tokenBelievedMs: 1_000,
  /** Tokens that are remembered at once. */
  tokensBelievedMax: 10_000,
  /** Valid tokens of one tenant. */
  tokensPerTenantMax: 10_000,
  /** Roles of one token. */
  rolesMax: 32,
  /** How exact `lastUsedAt` is: it is written at most once in this time. */
  lastUsedStepMs: 60_000,
} as const;
