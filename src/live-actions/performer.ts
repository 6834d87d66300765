import type { EntityManager } from "@mikro-orm/postgresql";
import { DomainFailure } from "../core/failures.ts";
import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { TenantNews } from "../database/tenant-changes.ts";
import type { ReadSecrets, SealedSecret } from "../secrets/credential-store.ts";
import { createMask } from "../secrets/mask.ts";
import type { Adapter } from "./adapter.ts";
import { callAdapter, type OpenHttp } from "./call-adapter.ts";
import { type CredentialPlan, missingOf, plannedSecretNames } from "./credentials.ts";
import { type DispatchResult, keepable, uncalled } from "./dispatch-result.ts";
import type { DispatchStore } from "./dispatch-store.ts";
import { LiveActionDispatch } from "./entities.ts";
import { missingCredentials, requestWarnings } from "./simulate-dispatch.ts";

export interface PerformerPorts {
  /** A fork of its own for each statement. */
  readonly em: () => EntityManager;
  readonly store: Pick<DispatchStore, "complete">;
  readonly readSecrets: ReadSecrets;
  readonly openHttp: OpenHttp;
  readonly news: TenantNews & { tellTenant(tenantId: string): void };
  readonly log: Log;
}

/** What is to be done for a dispatch whose row says that it runs. */
export interface Performance {
  readonly dispatch: Pick<LiveActionDispatch, "id" | "tenantId" | "requestId">;
  readonly adapter: Adapter;
  /** As the adapter gets them. */
  readonly target: string;
  readonly params: JsonObject;
  /** Texts that the result may not hold, besides the adapter's own credentials. */
  readonly secrets: readonly string[];
  readonly credentials: CredentialPlan;
  /** The secrets that the credentials come from, where they were read just now. */
  readonly sealedSecrets?: readonly SealedSecret[] | undefined;
  /** Details of what is to be undone, where that is what it is for. */
  readonly undo?: JsonObject | undefined;
  /** Bound of the call, besides the adapter's own. */
  readonly timeoutMs?: number | undefined;
  /** By this process' `performance.now()`: when its lease can't have begun yet. */
  readonly since: number;
}

/** Carries out dispatches of this node, each to its end, which is durable before anybody hears of it. */
export class Performer {
  readonly #ports: PerformerPorts;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #stopping = new AbortController();

  constructor(ports: PerformerPorts) {
    this.#ports = ports;
  }

  /** Aborted when this node stops: nothing more comes of what it has under way. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** @returns The dispatch as it ended. @throws What the database throws, once the dispatch's lease is over. */
  perform(performance: Performance): Promise<LiveActionDispatch> {
    const work = this.#perform(performance);
    const settled = work.catch(() => undefined).finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
    return work;
  }

  /** Gives what is under way `limits.drainMs`, then ends it, with a result that says so. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#stopping.abort(), limits.drainMs);
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    clearTimeout(timer);
    this.#stopping.abort();
  }

  async #perform(performance: Performance): Promise<LiveActionDispatch> {
    const { dispatch, adapter } = performance;
    const startedAt = globalThis.performance.now();
    const result = await this.#call(performance);
    const { vendorId, capability } = adapter;
    const warnings = [...requestWarnings(capability), ...result.warnings];
    const ended = await this.#complete(performance, { ...result, warnings });
    const { requestId } = dispatch;
    const durationMs = Math.round(globalThis.performance.now() - startedAt);
    const outcome = { status: ended.status, error: ended.error, durationMs };
    this.#ports.log.info({ requestId, vendorId, capability, dryRun: false, ...outcome }, "live_action.completed");
    return ended;
  }

  async #call(performance: Performance): Promise<DispatchResult> {
    const { dispatch, adapter, target, params, credentials, undo, timeoutMs, since } = performance;
    const { tenantId, requestId } = dispatch;
    const request = { requestId, target, params };
    try {
      const opened = await this.#open(tenantId, performance);
      const secrets = [...performance.secrets, ...referredTo(credentials, opened)];
      const missing = missingOf(adapter, new Set(Object.keys(opened)));
      if (missing.length > 0) {
        // Taken out of the store meanwhile.
        const result = await missingCredentials(adapter, request, {
          missing,
          isWithheld: false,
          isUndoing: undo !== undefined,
        });
        return keepable(result, createMask(secrets));
      }
      // This node was away for so long that others may have given the dispatch up, and a person may look at the vendor by now.
      if (globalThis.performance.now() - since >= limits.dispatchLeaseMarginMs) return tooLate;
      const job = { tenantId, adapter, request, secrets, credentials: opened, undo, timeoutMs };
      return await callAdapter({ openHttp: this.#ports.openHttp, stopping: this.stopping }, job);
    } catch (error) {
      // Of the credential store: nobody was called.
      if (error instanceof DomainFailure) return uncalled(error.code, error.message, { message: error.message });
      const message = "The credentials could not be read, so nobody was contacted.";
      this.#ports.log.warn({ requestId, message: (error as Error).message }, "live_action.credentials_unread");
      return uncalled("credentials_unreadable", message, { message });
    }
  }

  async #open(
    tenantId: string,
    { credentials, sealedSecrets }: Pick<Performance, "credentials" | "sealedSecrets">,
  ): Promise<Record<string, string>> {
    const stored = await this.#ports.readSecrets(tenantId, plannedSecretNames(credentials), sealedSecrets);
    const opened = [...credentials.sources].flatMap(([name, source]) => {
      const value = "text" in source ? source.text : stored.get(source.secret);
      return value === undefined ? [] : [[name, value] as const];
    });
    return Object.fromEntries(opened);
  }

  /** The vendor was called: what came of it is tried to be written until somebody else has to take it for lost. */
  async #complete({ dispatch, adapter }: Performance, result: DispatchResult): Promise<LiveActionDispatch> {
    const until = Date.now() + adapter.timeoutMs + limits.dispatchLeaseMarginMs;
    for (;;) {
      try {
        const { id, tenantId } = dispatch;
        const ended = await this.#ports.store.complete({ id, tenantId, result });
        this.#ports.news.tellTenant(tenantId);
        if (ended) return ended;
        return await this.#ports.em().findOneOrFail(LiveActionDispatch, { id, tenantId });
      } catch (error) {
        if (Date.now() >= until || this.stopping.aborted) throw error;
        this.#ports.log.warn({ id: dispatch.id, message: (error as Error).message }, "live_action.result_not_written");
        await new Promise((resolve) => setTimeout(resolve, limits.prepareRetryMs));
      }
    }
  }
}

const tooLate = uncalled(
  "node_too_slow",
  "This server was too slow to begin in time, so nobody was contacted. Try again.",
);

/** What was taken from secrets that the request names: nobody may see it, also where the parameter is no secret by itself. */
function referredTo({ sources }: CredentialPlan, opened: Readonly<Record<string, string>>): readonly string[] {
  return [...sources].flatMap(([name, source]) =>
    "secret" in source && source.secret !== name ? (opened[name] ?? []) : [],
  );
}
