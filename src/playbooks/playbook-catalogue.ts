import type { EntityManager } from "@mikro-orm/postgresql";
import { ByteBoundedCache } from "../core/byte-bounded-cache.ts";
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

/** Keeps the plans that were used last, up to `planCacheBytesMax` of their sources. */
export function createPlaybookCatalogue({ em }: { readonly em: EntityManager }): PlaybookCatalogue {
  const kept = new ByteBoundedCache<Plan>(limits.planCacheBytesMax);
  const loading = new Map<string, Promise<Plan>>();

  const load = async (key: string, tenantId: string, versionId: string): Promise<Plan> => {
    try {
      const { plan, bytes } = await readPlan(em.fork(), tenantId, versionId);
      kept.set(key, plan, bytes);
      return plan;
    } finally {
      loading.delete(key);
    }
  };

  return {
    plan(tenantId, versionId) {
      const key = `${tenantId} ${versionId}`;
      const known = kept.get(key) ?? loading.get(key);
      if (known) return known;
      const promise = load(key, tenantId, versionId);
      loading.set(key, promise);
      return promise;
    },
  };
}

async function readPlan(
  em: EntityManager,
  tenantId: string,
  versionId: string,
): Promise<{ plan: Plan; bytes: number }> {
  const version = await em.findOne(PlaybookVersion, { id: versionId, tenantId }, { disableIdentityMap: true });
  if (!version) throw new NotFoundFailure("There is no such version of a playbook.");
  return { plan: compilePlan(version.document, version.pins), bytes: version.source.length };
}
