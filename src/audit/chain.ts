import { canonicalJson, type Json, sha256 } from "../core/json.ts";

/** An entry as it is hashed and exported: what the database answers, so that jsonb and instants have gone round once. */
export interface ChainedEntry {
  readonly tenantId: string;
  /** From 1 without gaps. */
  readonly sequence: number;
  readonly id: string;
  /** RFC 3339 in UTC, with microseconds. */
  readonly at: string;
  readonly actor: { readonly kind: string; readonly id: string | null; readonly name: string };
  readonly operation: string;
  readonly subject: string | null;
  readonly outcome: string;
  readonly detail: Json;
  /** Hex SHA-256 of the entry before; null for the first. */
  readonly previousHash: string | null;
}

export type SealedEntry = ChainedEntry & { readonly hash: string };

/** The entry as a line of an export, without the line's end: the same text for the same entry. */
export function lineOf(entry: SealedEntry): string {
  const { sequence, tenantId, id, at, actor, operation, subject, outcome, detail, previousHash, hash } = entry;
  const by = { kind: actor.kind, id: actor.id, name: actor.name };
  const said = { sequence, tenantId, id, at, actor: by, operation, subject, outcome, detail, previousHash, hash };
  return JSON.stringify(said);
}

/** Nothing else that is ever hashed begins so: an entry can't pass for another document, nor another for an entry. */
const domain = "riposte.audit-entry.v1";

/** What binds an entry to its place: hex SHA-256 of the domain, the hash before, and the entry as JSON with sorted keys, a line each. */
export function hashEntry(entry: ChainedEntry): string {
  const { tenantId, sequence, id, at, actor, operation, subject, outcome, detail, previousHash } = entry;
  const { kind, id: actorId, name } = actor;
  const said = { tenantId, sequence, id, at, actor: { kind, id: actorId, name }, operation, subject, outcome, detail };
  return sha256([domain, previousHash ?? "", canonicalJson(said)].join("\n"));
}

/** How far a chain was found intact. */
export interface ChainEnd {
  /** 0: nothing of it yet. */
  readonly sequence: number;
  readonly hash: string | null;
}

/** The highest number that an entry gets: GraphQL tells no higher one, and no trail is so long. Somebody else has given what is beyond. */
export const sequenceMax = 2_147_483_647;

export const chainBeginning: ChainEnd = { sequence: 0, hash: null };

/**
 * The next entry of a chain, checked against the one before.
 * @returns The chain's end with it, or the sequence at which the chain is broken: the entry's own, or that of the one that is missing before it.
 */
export function followChain(end: ChainEnd, entry: SealedEntry): ChainEnd | { readonly broken: number } {
  const { sequence, hash, previousHash } = entry;
  const expected = end.sequence + 1;
  if (sequence !== expected) return { broken: Math.min(sequence, expected) };
  if (previousHash !== end.hash || !isHashOf(entry)) return { broken: sequence };
  return { sequence, hash };
}

/** What can't be hashed, such as a detail that somebody nested a hundred thousand levels deep, is not what was hashed. */
function isHashOf(entry: SealedEntry): boolean {
  try {
    return hashEntry(entry) === entry.hash;
  } catch {
    return false;
  }
}
