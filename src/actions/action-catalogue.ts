import type { EntityManager } from "@mikro-orm/postgresql";
import { ByteBoundedCache } from "../core/byte-bounded-cache.ts";
import type { Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";
import type { PackageFile } from "../executors/executor.ts";
import { ActionFile } from "./entities.ts";
import { type PinnedAction, type ResolvedAction, resolvePinned } from "./resolve-version.ts";

export type { PinnedAction, ResolvedAction } from "./resolve-version.ts";

/** What runs ask of the catalogue, from memory where it was asked lately. One for the whole process. */
export interface ActionCatalogue {
  /**
   * The version that a pin means, at once when it is remembered, else as a promise. Thrown or rejected:
   * NotFoundFailure, StateFailure `version_withdrawn`. A disabled action is answered like any other.
   */
  resolve(tenantId: string, pin: PinnedAction): ResolvedAction | Promise<ResolvedAction>;
  /** The files of a version, which never change. */
  files(versionId: string): Promise<readonly PackageFile[]>;
  /** Forgets what a tenant's pins mean: something was changed, here or (by notification) on another node. */
  forget(tenantId: string): void;
  /** Forgets what all pins mean: notifications may have been lost. */
  forgetAll(): void;
}

interface CatalogueOptions {
  /** A fork for one read. */
  readonly em: () => EntityManager;
  readonly clock: Clock;
  /** How long an answer is believed without a notification. */
  readonly believedMs?: number;
}

/** What a pin means, and since when it is known. */
interface Meaning {
  readonly action: ResolvedAction;
  readonly atMs: number;
}

export function createActionCatalogue(options: CatalogueOptions): ActionCatalogue {
  const { em, clock, believedMs = limits.actionBelievedMs } = options;
  const meanings = new ByteBoundedCache<Meaning>(limits.actionCacheBytesMax);
  const packages = new ByteBoundedCache<readonly PackageFile[]>(limits.packageCacheBytesMax);
  const asked = new Map<string, Promise<ResolvedAction>>();
  const askedFiles = new Map<string, Promise<readonly PackageFile[]>>();

  const ask = (tenantId: string, pin: PinnedAction, key: string): Promise<ResolvedAction> => {
    const atMs = clock.now().getTime();
    const answer: Promise<ResolvedAction> = resolvePinned(em(), tenantId, pin)
      .then((action) => {
        // Not remembered when it was forgotten meanwhile: it may be from before the change.
        if (asked.get(key) === answer) meanings.set(key, { action, atMs }, JSON.stringify(action.definition).length);
        return action;
      })
      .finally(() => {
        if (asked.get(key) === answer) asked.delete(key);
      });
    asked.set(key, answer);
    return answer;
  };
  const askFiles = (versionId: string): Promise<readonly PackageFile[]> => {
    const answer = readFiles(em(), versionId)
      .then((files) => {
        packages.set(
          versionId,
          files,
          files.reduce((sum, { content }) => sum + content.length, 0),
        );
        return files;
      })
      .finally(() => askedFiles.delete(versionId));
    askedFiles.set(versionId, answer);
    return answer;
  };
  const forgetWhere = (isMeant: (key: string) => boolean): void => {
    meanings.deleteWhere(isMeant);
    for (const key of asked.keys()) if (isMeant(key)) asked.delete(key);
  };

  return {
    resolve(tenantId, pin) {
      const key = `${tenantId} ${pin.actionId} ${pin.actionRef}`;
      const known = meanings.get(key);
      if (known && Math.abs(clock.now().getTime() - known.atMs) < believedMs) return known.action;
      return asked.get(key) ?? ask(tenantId, pin, key);
    },
    files: async (versionId) => packages.get(versionId) ?? askedFiles.get(versionId) ?? askFiles(versionId),
    forget: (tenantId) => forgetWhere((key) => key.startsWith(`${tenantId} `)),
    forgetAll: () => forgetWhere(() => true),
  };
}

async function readFiles(em: EntityManager, versionId: string): Promise<readonly PackageFile[]> {
  const files = await em.find(ActionFile, { versionId }, { orderBy: { path: "asc" }, disableIdentityMap: true });
  return files.map(({ path, content, executable }) => ({ path, content, executable }));
}
