import type { EntityManager } from "@mikro-orm/postgresql";
import { NotFoundFailure } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import { compilePlan } from "./compile-plan.ts";
import { PlaybookVersion } from "./entities.ts";
import type { Plan } from "./plan.ts";

/** Compiled plans by version, one for the process. A version never changes, so nothing in it ever grows old. */
export interface PlaybookCatalogue {
  /**
   * The plan of a version: at once where it is known, else after one read that concurrent asks share.
   * @throws NotFoundFailure when the tenant has no such version.
   */
  plan(tenantId: string, versionId: string): Plan | Promise<Plan>;
}

interface Kept {
  readonly plan: Plan;
  readonly bytes: number;
}

/** Keeps the plans that were used last, up to `planCacheBytesMax` of their sources. */
export function createPlaybookCatalogue({ em }: { readonly em: EntityManager }): PlaybookCatalogue {
  const kept = new Map<string, Kept>();
  const loading = new Map<string, Promise<Plan>>();
  let bytes = 0;

  const keep = (key: string, entry: Kept): void => {
    kept.set(key, entry);
    bytes += entry.bytes;
    for (const [oldest, old] of kept) {
      if (bytes <= limits.planCacheBytesMax || kept.size === 1) return;
      kept.delete(oldest);
      bytes -= old.bytes;
    }
  };
  const load = async (tenantId: string, versionId: string): Promise<Plan> => {
    const key = keyOf(tenantId, versionId);
    try {
      const entry = await readPlan(em.fork(), tenantId, versionId);
      keep(key, entry);
      return entry.plan;
    } finally {
      loading.delete(key);
    }
  };

  return {
    plan(tenantId, versionId) {
      const key = keyOf(tenantId, versionId);
      const known = kept.get(key);
      if (known) {
        // Used last: moves to the end of the line.
        kept.delete(key);
        kept.set(key, known);
        return known.plan;
      }
      const under = loading.get(key);
      if (under) return under;
      const promise = load(tenantId, versionId);
      loading.set(key, promise);
      return promise;
    },
  };
}

function keyOf(tenantId: string, versionId: string): string {
  return `${tenantId} ${versionId}`;
}

async function readPlan(em: EntityManager, tenantId: string, versionId: string): Promise<Kept> {
  const version = await em.findOne(PlaybookVersion, { id: versionId, tenantId }, { disableIdentityMap: true });
  if (!version) throw new NotFoundFailure("There is no such version of a playbook.");
  return { plan: compilePlan(version.document, version.pins), bytes: version.source.length };
}
