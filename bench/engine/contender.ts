/** How many steps every contender's runs have. */
export const stepsPerRun = 5;

/** Where the one PostgreSQL of all contenders is, and which of its databases is this one's. */
export interface Place {
  readonly socketDirectory: string;
  readonly user: string;
  readonly database: string;
}

/** What the harness hears of one run. */
export interface RunListener {
  /** A step's executor is called for the first time. */
  onStart(): void;
  /** A step has ended and that is durable; what follows it begins now. */
  onStep(): void;
  /** The run has ended and that is durable. */
  onEnd(): void;
}

/** Something that performs durable runs of {@link stepsPerRun} steps, one after the other, whose executors do nothing. */
export interface Contender {
  /** Begins one run. Its load is the caller's: as many at once as were begun and have not ended. */
  begin(listener: RunListener): void;
  close(): Promise<void>;
}

/** The context that runs are started with, and what their executor answers: about what a real one has. */
export const sampleContext = {
  finding: {
    id: "fnd-2026-004711",
    title: "Brute-force login against the VPN gateway",
    severity: "high",
    score: 8.1,
    source_ip: "203.0.113.77",
    first_seen: "2026-11-20T21:14:07Z",
    tags: ["bruteforce", "vpn"],
  },
  asset: { id: "ast-114", hostname: "vpn-gw-02.example.net", criticality: 4 },
} as const;

export const sampleOutput = { blocked: true, rule_id: "fw-114-77" } as const;
