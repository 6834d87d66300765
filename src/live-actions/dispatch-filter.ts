import type { FilterQuery } from "@mikro-orm/core";
import { BadInputError } from "../core/failures.ts";
import { isStorableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { LiveActionDispatch } from "./entities.ts";

/** Which dispatches of a tenant; what is left out does not narrow. */
export interface DispatchFilter {
  readonly capability?: string | null | undefined;
  readonly vendorId?: string | null | undefined;
  readonly status?: LiveActionDispatch["status"] | undefined;
  readonly caseId?: string | null | undefined;
  /** Requested then or later. */
  readonly since?: Date | null | undefined;
}

/** @throws BadInputError for texts that no row can hold. */
export function requireFilter({ capability, vendorId, caseId }: DispatchFilter): void {
  for (const text of [capability, vendorId, caseId]) {
    if (text != null && (text.length > limits.idLengthMax || !isStorableText(text))) {
      throw new BadInputError(`A filter's text has at most ${limits.idLengthMax} characters, without NUL.`);
    }
  }
}

/** All but the status, which is the only part of it that a dispatch can come to fit, or leave. */
export function unchanging(filter: DispatchFilter): DispatchFilter {
  return { ...filter, status: undefined };
}

export function matches({ status }: DispatchFilter, dispatch: Pick<LiveActionDispatch, "status">): boolean {
  return status == null || dispatch.status === status;
}

export function whereOf(
  tenantId: string,
  { capability, vendorId, status, caseId, since }: DispatchFilter,
): FilterQuery<LiveActionDispatch> {
  return {
    tenantId,
    ...(capability == null ? {} : { capability }),
    ...(vendorId == null ? {} : { vendorId }),
    ...(status == null ? {} : { status }),
    ...(caseId == null ? {} : { caseId }),
    ...(since == null ? {} : { createdAt: { $gte: since } }),
  };
}
