import type { Clock } from "../core/clock.ts";
import { DomainFailure } from "../core/failures.ts";
import { gathered } from "../core/gathered.ts";
import { limits } from "../core/limits.ts";
import { type Execute, isRefusal, statement } from "../database/statement.ts";
import type { SealedFor, Sealer } from "./seal.ts";

/** Where the store is and what opens it. */
export interface CredentialStore {
  readonly execute: (tenantId: string) => Execute;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

/** A secret as the store keeps it. */
export interface SealedSecret {
  readonly name: string;
  readonly sealed: string;
  /** A time as the database writes it. */
  readonly lastUsedAt: string | null;
}

/**
 * Opens secrets of a tenant, for the length of one call.
 * @param names At most `limits.secretNamesMax`. One that has no secret is not in the answer.
 * @param sealed All of them that the store has, where they were read just now.
 * @returns Name to plaintext. Keep it in memory only; never log, store or return it.
 * @throws StateFailure when one can't be opened: `secrets_key_missing`, `secret_unreadable`.
 */
export type ReadSecrets = (
  tenantId: string,
  names: readonly string[],
  sealed?: readonly SealedSecret[],
) => Promise<ReadonlyMap<string, string>>;

/** What the value of a secret of the store is sealed for. */
export function secretPurpose(tenantId: string, name: string): SealedFor {
  return { tenantId, purpose: `secret:${name}` };
}

/** Reads the store. Calls of a tenant that come while one is under way are answered together: each secret is read and opened once for them. */
export function createReadSecrets(store: CredentialStore): ReadSecrets {
  const read = gathered<Wanted, ReadonlyMap<string, string>>({
    keyOf: ({ tenantId }) => tenantId,
    together: (all) => readTogether(store, all),
    mayBeOfOne: (error) => error instanceof DomainFailure || isRefusal(error),
  });
  return async (tenantId, names, sealed) => {
    if (names.length === 0) return new Map();
    if (names.length > limits.secretNamesMax) throw new RangeError(`${names.length} secrets were asked for at once.`);
    if (!sealed) return read({ tenantId, names });
    const wanted = sealed.filter(({ name }) => names.includes(name));
    return openAll(store, tenantId, wanted);
  };
}

interface Wanted {
  readonly tenantId: string;
  readonly names: readonly string[];
}

async function readTogether(store: CredentialStore, all: readonly Wanted[]): Promise<ReadonlyMap<string, string>[]> {
  const { tenantId } = all[0] as Wanted;
  const names = new Set(all.flatMap((wanted) => wanted.names));
  const rows = await store.execute(tenantId)<SealedSecret>(readStatement, [tenantId, JSON.stringify([...names])]);
  const opened = await openAll(store, tenantId, rows);
  // Each gets its own and no other.
  return all.map((wanted) => new Map([...opened].filter(([name]) => wanted.names.includes(name))));
}

/** Opens what was read, and notes that it is used: once in `limits.lastUsedStepMs`. */
async function openAll(
  { execute, sealer, clock }: CredentialStore,
  tenantId: string,
  rows: readonly SealedSecret[],
): Promise<ReadonlyMap<string, string>> {
  const now = clock.now().getTime();
  const open = async ({ name, sealed }: SealedSecret) =>
    [name, await sealer.open(sealed, secretPurpose(tenantId, name))] as const;
  const opened = new Map(await Promise.all(rows.map(open)));
  const isStale = ({ lastUsedAt }: SealedSecret) =>
    lastUsedAt === null || new Date(lastUsedAt).getTime() < now - limits.lastUsedStepMs;
  const stale = rows.filter(isStale).map(({ name }) => name);
  if (stale.length > 0) await execute(tenantId)(noteUseStatement, [now, tenantId, JSON.stringify(stale)]);
  return opened;
}

// A list, and no rows to be joined with: its plan is kept, and is to go by the index whatever the table held when it was made.
const readStatement = statement(
  "read-secrets",
  `
select name, sealed, last_used_at as "lastUsedAt"
from secret where tenant_id = ? and name = any(array(select jsonb_array_elements_text(?::jsonb)))`,
);

// A row that another call is writing has its use noted by that one.
const noteUseStatement = statement(
  "note-use-of-secrets",
  `
update secret set last_used_at = to_timestamp(?::float8 / 1000) where id in (
  select id from secret where tenant_id = ? and name = any(array(select jsonb_array_elements_text(?::jsonb))) for update skip locked
)`,
);
