import { LockMode } from "@mikro-orm/core";
import type { EntityManager } from "@mikro-orm/postgresql";
import { compareVersions, parseVersion, type Version } from "../actions/version.ts";
import { type Deed, recordAudit } from "../audit/record-audit.ts";
import { ConflictFailure, type Issue, ValidationFailure } from "../core/failures.ts";
import { newId } from "../core/ids.ts";
import { type JsonObject, sha256 } from "../core/json.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import { cardOf } from "./catalogue-card.ts";
import { checkDocument } from "./check-document.ts";
import { pinSteps } from "./check-pins.ts";
import { type Pin, Playbook, PlaybookVersion } from "./entities.ts";
import { inOrder } from "./findings.ts";
import { playbookChanged } from "./playbook-change.ts";
import { readSource, type Source } from "./source.ts";

export interface RegisteredPlaybook {
  readonly playbook: Playbook;
  readonly version: PlaybookVersion;
  readonly warnings: readonly Issue[];
}

/**
 * Registers a version, which then never changes. A new key is a new playbook; a version above the active one becomes active;
 * one below it is kept as a back-port and can be executed by its number. The very text of a version that is there already
 * answers that version.
 * @throws ValidationFailure with every problem of the source and of the actions it refers to.
 * @throws ConflictFailure `version_exists` when another text has this version.
 */
export async function registerPlaybook(
  ctx: OperationContext,
  { source: text }: { readonly source: string },
): Promise<RegisteredPlaybook> {
  const { em, tenantId } = ctx;
  const source = readSource(text);
  const checked = checkDocument(source);
  return em.transactional(async (inner) => {
    const draft = draftOf(source, checked.issues);
    const playbook = draft && (await lockedPlaybook(inner, tenantId, draft.key));
    const same =
      playbook && (await inner.findOne(PlaybookVersion, { tenantId, playbookId: playbook.id, version: draft.version }));
    if (same) return { playbook, version: sameText(same, text), warnings: checked.warnings };
    const pinned = await pinSteps(inner, tenantId, source);
    const issues = inOrder([...checked.issues, ...pinned.issues]);
    if (!draft || issues.length > 0) throw new ValidationFailure(issues);
    const added = { ...draft, source, text, pins: pinned.pins };
    const warnings = [...checked.warnings, ...pinned.warnings];
    if (!playbook) {
      const made = addPlaybook(inner, tenantId, added);
      await playbookChanged(inner, made.playbook);
      await recordAudit(inner, ctx, registered(made));
      return { ...made, warnings };
    }
    const { version, odd } = await addVersion(inner, playbook, added);
    await playbookChanged(inner, playbook);
    await recordAudit(inner, ctx, registered({ playbook, version }));
    return { playbook, version, warnings: inOrder([...warnings, ...odd]) };
  });
}

function registered({ playbook, version }: Pick<RegisteredPlaybook, "playbook" | "version">): Deed {
  const isActive = playbook.activeVersionId === version.id;
  const detail = { version: version.version, isActive, enabled: playbook.enabled, sourceHash: sha256(version.source) };
  return { operation: "registerPlaybook", subject: `playbook:${playbook.key}`, detail };
}

interface Draft {
  readonly key: string;
  readonly version: string;
  readonly number: Version;
  readonly document: JsonObject;
}

interface Added extends Draft {
  readonly source: Source;
  readonly text: string;
  readonly pins: readonly Pin[];
}

/** What the document says of itself; undefined when something is wrong with it. */
function draftOf({ document }: Source, issues: readonly Issue[]): Draft | undefined {
  if (!document || issues.length > 0) return undefined;
  const version = String(document["version"]);
  const number = parseVersion(version);
  return number && { key: String(document["id"]), version, number, document };
}

/** One at a time for each key, also while there is no row to lock; and where there is one, against those who change it otherwise. */
async function lockedPlaybook(em: EntityManager, tenantId: string, key: string): Promise<Playbook | null> {
  await em.execute("select pg_advisory_xact_lock(hashtextextended(?, 0))", [`playbook ${tenantId} ${key}`]);
  return em.findOne(Playbook, { tenantId, key }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
}

function sameText(version: PlaybookVersion, text: string): PlaybookVersion {
  if (version.source === text) return version;
  throw new ConflictFailure(
    "version_exists",
    `Version ${version.version} is registered with another text, and a version never changes; give this one a higher version.`,
  );
}

function addPlaybook(
  em: EntityManager,
  tenantId: string,
  added: Added,
): Pick<RegisteredPlaybook, "playbook" | "version"> {
  const versionId = newId();
  const playbook = em.create(Playbook, {
    tenantId,
    key: added.key,
    enabled: added.document["enabled"] !== false,
    activeVersionId: versionId,
    ...cardOf(added.document),
  });
  em.persist(playbook);
  return { playbook, version: createVersion(em, playbook, { ...added, versionId }) };
}

async function addVersion(
  em: EntityManager,
  playbook: Playbook,
  added: Added,
): Promise<{ version: PlaybookVersion; odd: Issue[] }> {
  const { map } = added.source;
  const active = await em.findOneOrFail(PlaybookVersion, { id: playbook.activeVersionId, tenantId: playbook.tenantId });
  const version = createVersion(em, playbook, { ...added, versionId: newId() });
  const odd: Issue[] = [];
  if (compareVersions(added.number, active) > 0) {
    em.assign(playbook, { activeVersionId: version.id, ...cardOf(added.document) });
  } else {
    const message = `Version ${active.version} stays active, since it is higher; this one runs when it is asked for by its number.`;
    odd.push({ path: "$.version", code: "not_active", message, ...map.at("$.version") });
  }
  const { enabled } = added.document;
  if (typeof enabled === "boolean" && enabled !== playbook.enabled) {
    const message = "enabled only counts for the first version; setPlaybookEnabled changes it.";
    odd.push({ path: "$.enabled", code: "no_effect", message, ...map.at("$.enabled") });
  }
  return { version, odd };
}

function createVersion(
  em: EntityManager,
  playbook: Playbook,
  added: Added & { readonly versionId: string },
): PlaybookVersion {
  const version = em.create(PlaybookVersion, {
    id: added.versionId,
    tenantId: playbook.tenantId,
    playbookId: playbook.id,
    version: added.version,
    ...added.number,
    source: added.text,
    format: added.source.format,
    document: added.document,
    pins: added.pins,
  });
  em.persist(version);
  return version;
}
