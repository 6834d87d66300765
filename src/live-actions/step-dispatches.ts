import type { JsonObject } from "../core/json.ts";
import type { Actor } from "../tenancy/operation-context.ts";
import { acceptRequest, type LiveActionInput } from "./accept-request.ts";
import type { DecidedPorts } from "./decided-dispatch.ts";
import { dispatchLiveAction } from "./dispatch-live-action.ts";
import { unshared } from "./dispatch-rows.ts";
import { LiveActionDispatch } from "./entities.ts";
import { type Withdrawal, withdrawDispatch } from "./withdraw-dispatch.ts";

/** A live action that a step of a run asks for. */
export interface StepRequest extends LiveActionInput {
  readonly tenantId: string;
  readonly requestId: string;
  readonly params: JsonObject;
  readonly dryRun: boolean;
  /** Who started the run: may not approve what it asks for. */
  readonly actor: Actor;
}

export type StepRequestKey = Pick<StepRequest, "tenantId" | "requestId" | "capability" | "dryRun" | "actor">;

/** What runs need of live actions. What is thrown and is no failure is a database that is away: it may be asked again. */
export interface StepDispatches {
  /** The request as people may see it: without credentials. @throws ValidationFailure as `dispatch` does, before anything happens. */
  show(request: LiveActionInput): { readonly target: string; readonly params: JsonObject };
  /**
   * The dispatch, once it has ended or waits for people.
   * @throws ValidationFailure, ConflictFailure.
   */
  dispatch(request: StepRequest): Promise<LiveActionDispatch>;
  /** What this very run has asked before, whatever it would ask now; undefined where it has not. */
  find(key: StepRequestKey): Promise<LiveActionDispatch | undefined>;
  /** The dispatch once it has ended; undefined where `signal` is aborted first. */
  ended(dispatch: LiveActionDispatch, signal: AbortSignal): Promise<LiveActionDispatch | undefined>;
  /** Asks people no more; undefined where the dispatch does not wait for them. */
  withdraw(dispatch: LiveActionDispatch, why: Withdrawal): Promise<LiveActionDispatch | undefined>;
  /** Whether a parameter of this name is a credential of some vendor: people are not shown it. */
  isCredential(name: string): boolean;
  /** Whether it may be called again when nobody knows whether the first call took effect. */
  isRepeatable(pair: Pick<LiveActionDispatch, "vendorId" | "capability">): boolean;
}

export function createStepDispatches(ports: DecidedPorts): StepDispatches {
  const { registry, performer, em, news, watch } = ports;
  return {
    show: (request) => acceptRequest(registry, request).shown,
    async dispatch({ tenantId, actor, ...input }) {
      // Another node goes on with the run: it would find a dispatch that came to nothing.
      if (performer.stopping.aborted) throw new Error("This node stops.");
      // No permission: a stored credential never goes to an address that the playbook names.
      const ctx = { tenantId, actor, roles: [], permissions: new Set<never>(), em: em() };
      return dispatchLiveAction(ctx, ports, input);
    },
    async find({ tenantId, requestId, capability, dryRun, actor }) {
      const mode = dryRun ? "DRY_RUN" : "LIVE";
      const where = { tenantId, mode, requestId, capability, actorId: actor.id ?? null } as const;
      return (await em().findOne(LiveActionDispatch, where, unshared)) ?? undefined;
    },
    ended: (dispatch, signal) => watch.ended(dispatch, signal),
    async withdraw(dispatch, why) {
      const ended = await withdrawDispatch(em(), dispatch, why);
      if (ended) news.tellTenant(dispatch.tenantId);
      return ended;
    },
    isCredential: (name) => registry.credentials().get(name)?.isSecret ?? false,
    isRepeatable({ vendorId, capability }) {
      const adapter = registry.find(vendorId ?? "", capability)?.adapter;
      return adapter !== undefined && (adapter.isIdempotent || adapter.impact === "READ_ONLY");
    },
  };
}
