import type { FilterQuery } from "@mikro-orm/core";
import type { Run } from "./entities.ts";
import type { RunStatus } from "./events.ts";

/** Which runs of a tenant; what is left out does not narrow. References and keys are resolved already. */
export interface RunFilter {
  readonly kind?: "ACTION" | "PLAYBOOK" | undefined;
  readonly status?: readonly RunStatus[] | undefined;
  readonly playbookId?: string | undefined;
  readonly actionId?: string | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  readonly sandbox?: boolean | undefined;
}

/** The filter without `status`: the only part of it that a run can leave. */
export function unchanging({ status: _status, ...rest }: RunFilter): RunFilter {
  return rest;
}

export function whereOf(tenantId: string, filter: RunFilter): FilterQuery<Run> {
  const { kind, status, playbookId, actionId, since, until, sandbox } = filter;
  return {
    tenantId,
    ...(kind === undefined ? {} : { kind }),
    ...(status === undefined ? {} : { status: { $in: [...status] } }),
    ...(playbookId === undefined ? {} : { playbookId }),
    ...(actionId === undefined ? {} : { actionId }),
    ...(sandbox === undefined ? {} : { sandbox }),
    ...(since || until ? { createdAt: { ...(since ? { $gte: since } : {}), ...(until ? { $lt: until } : {}) } } : {}),
  };
}
