import type { EntityManager } from "@mikro-orm/postgresql";
import type { Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";
import { Secret } from "./entities.ts";
import type { SealedFor, Sealer } from "./seal.ts";

/** Where the store is and what opens it. */
export interface CredentialStore {
  /** Forked for each read. */
  readonly em: EntityManager;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

/** What the value of a secret of the store is sealed for. */
export function secretPurpose(tenantId: string, name: string): SealedFor {
  return { tenantId, purpose: `secret:${name}` };
}

/**
 * Opens secrets of a tenant, for the length of one call.
 * @param names At most `limits.secretNamesMax`. One that has no secret is not in the answer.
 * @returns Name to plaintext. Keep it in memory only; never log, store or return it.
 * @throws StateFailure when one can't be opened: `secrets_key_missing`, `secret_unreadable`.
 */
export async function readSecrets(
  { em, sealer, clock }: CredentialStore,
  tenantId: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (names.length === 0) return new Map();
  if (names.length > limits.secretNamesMax) throw new RangeError(`${names.length} secrets were asked for at once.`);
  const fork = em.fork();
  const rows = await fork.find(Secret, { tenantId, name: { $in: [...names] } });
  const opened = await Promise.all(
    rows.map(async ({ name, sealed }) => [name, await sealer.open(sealed, secretPurpose(tenantId, name))] as const),
  );
  await noteUse(fork, rows, clock.now());
  return new Map(opened);
}

/** Writes `lastUsedAt` where it is a minute old. A row that another call is writing has its use noted by that one. */
async function noteUse(em: EntityManager, rows: readonly Secret[], now: Date): Promise<void> {
  const before = now.getTime() - limits.lastUsedStepMs;
  const stale = rows.filter(({ lastUsedAt }) => lastUsedAt == null || lastUsedAt.getTime() < before);
  if (stale.length === 0) return;
  const places = stale.map(() => "?").join(", ");
  await em.execute(
    `update secret set last_used_at = ? where id in (select id from secret where id in (${places}) for update skip locked)`,
    [now, ...stale.map(({ id }) => id)],
  );
}
