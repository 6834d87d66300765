import type { Adapter, CredentialParam } from "./adapter.ts";

export const adapterSources = ["BUILTIN", "PLUGIN"] as const;
export type AdapterSource = (typeof adapterSources)[number];

export interface Registration {
  readonly source: AdapterSource;
  /** Who brought it, for messages: a file, a plugin's name. */
  readonly origin: string;
}

export interface Registered extends Registration {
  readonly adapter: Adapter;
}

/** The pairs of capability and vendor of this server. */
export interface Registry {
  /**
   * Puts an adapter in; it is in every answer from then on.
   * @returns A function that takes it out again.
   * @throws Error for whoever wrote the adapter: a pair that is there already names both origins.
   */
  register(adapter: Adapter, registration: Registration): () => void;
  find(vendorId: string, capability: string): Registered | undefined;
  /** Sorted by vendor, then capability. */
  all(): readonly Registered[];
  /** Sorted; empty where there are none. */
  vendorsOf(capability: string): readonly string[];
  capabilitiesOf(vendorId: string): readonly string[];
  /** The credential parameters of all vendors, by name. */
  credentials(): ReadonlyMap<string, CredentialParam>;
  /** Whose credential parameter that is; undefined where it is nobody's. */
  vendorOfCredential(name: string): string | undefined;
}

const namePattern = /^[a-z][a-z0-9_]{0,127}$/;

export function createRegistry(): Registry {
  const pairs = new Map<string, Registered>();
  let sorted: readonly Registered[] = [];
  let credentials: ReadonlyMap<string, CredentialParam> = new Map();
  let owners: ReadonlyMap<string, string> = new Map();
  const changed = () => {
    sorted = [...pairs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, registered]) => registered);
    const named = sorted.flatMap(({ adapter }) => adapter.credentials.map((param) => [param.name, param] as const));
    credentials = new Map(named);
    const owned = sorted.flatMap(({ adapter }) =>
      adapter.credentials.map(({ name }) => [name, adapter.vendorId] as const),
    );
    owners = new Map(owned);
  };
  return {
    register(adapter, registration) {
      const registered = { adapter, ...registration };
      const key = keyOf(adapter.vendorId, adapter.capability);
      requireSound(registered);
      requireFree(registered, pairs.get(key));
      requireOwnCredentials(registered, sorted);
      pairs.set(key, registered);
      changed();
      return () => {
        if (pairs.get(key) !== registered) return;
        pairs.delete(key);
        changed();
      };
    },
    find: (vendorId, capability) => pairs.get(keyOf(vendorId, capability)),
    all: () => sorted,
    vendorsOf: (capability) =>
      sorted.flatMap(({ adapter }) => (adapter.capability === capability ? [adapter.vendorId] : [])),
    capabilitiesOf: (vendorId) =>
      sorted.flatMap(({ adapter }) => (adapter.vendorId === vendorId ? [adapter.capability] : [])),
    credentials: () => credentials,
    vendorOfCredential: (name) => owners.get(name),
  };
}

/** Sorts as vendor, then capability: a blank is in no name. */
function keyOf(vendorId: string, capability: string): string {
  return `${vendorId} ${capability}`;
}

function nameOf({ adapter: { vendorId, capability }, origin }: Registered): string {
  return `${vendorId}/${capability} of ${origin}`;
}

function requireSound(registered: Registered): void {
  const { vendorId, capability, description, credentials, timeoutMs } = registered.adapter;
  for (const name of [vendorId, capability, ...credentials.map((param) => param.name)]) {
    if (!namePattern.test(name)) throw new Error(`${nameOf(registered)}: ${JSON.stringify(name)} is not lower_snake.`);
  }
  if (description.trim() === "") throw new Error(`${nameOf(registered)} has no description.`);
  if (!(timeoutMs > 0)) throw new Error(`${nameOf(registered)}: ${timeoutMs} ms is no time for a call.`);
}

function requireFree(registered: Registered, known: Registered | undefined): void {
  if (known) throw new Error(`${nameOf(registered)} is registered already: ${nameOf(known)}.`);
}

/** Else it would be handed what a tenant keeps for another vendor. */
function requireOwnCredentials(registered: Registered, others: readonly Registered[]): void {
  for (const { name, isSecret } of registered.adapter.credentials) {
    for (const other of others) {
      const same = other.adapter.credentials.find((param) => param.name === name);
      if (!same) continue;
      if (other.adapter.vendorId !== registered.adapter.vendorId) {
        throw new Error(`${nameOf(registered)} asks for ${name}, which is a credential of ${nameOf(other)}.`);
      }
      if (same.isSecret !== isSecret) {
        throw new Error(`${nameOf(registered)} and ${nameOf(other)} do not agree whether ${name} is a secret.`);
      }
    }
  }
}
