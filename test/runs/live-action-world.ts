import { decideApproval } from "../../src/approvals/decide-approval.ts";
import { Approval } from "../../src/approvals/entities.ts";
import { silentLog } from "../../src/core/log.ts";
import { type Orm, openOrm } from "../../src/database/orm.ts";
import { entities } from "../../src/entities.ts";
import type { Adapter } from "../../src/live-actions/adapter.ts";
import { DispatchSweeper } from "../../src/live-actions/dispatch-sweeper.ts";
import { LiveActionDispatch } from "../../src/live-actions/entities.ts";
import { setLiveActionPolicy } from "../../src/live-actions/set-live-action-policy.ts";
import { createStepDispatches } from "../../src/live-actions/step-dispatches.ts";
import { withdrawLiveAction } from "../../src/live-actions/withdraw-live-action.ts";
import type { Engine } from "../../src/runs/engine.ts";
import type { StepState } from "../../src/runs/fold.ts";
import type { StepPorts } from "../../src/runs/step-ports.ts";
import { Tenant } from "../../src/tenancy/entities.ts";
import { type DispatchWorld, decisionsOf, dispatchWorld } from "../live-actions/dispatch-world.ts";
import { EngineWorld, type Execute, echo, tenantId } from "./engine-world.ts";

const secretsKey = Buffer.alloc(32, 7).toString("base64");

/** One node: an engine, and what calls its vendors. */
export interface LiveActionNode {
  readonly engine: Engine;
  readonly dispatches: DispatchWorld;
}

/** Engines whose steps dispatch live actions, on one database. */
export class LiveActionWorld {
  readonly engines: EngineWorld;
  readonly #orm: Orm;
  readonly #tenant: Tenant;
  #last: DispatchWorld | undefined;

  static async create(): Promise<LiveActionWorld> {
    const engines = await EngineWorld.create();
    const orm = await openOrm(engines.address, entities);
    const em = orm.em.fork();
    const tenant = em.create(Tenant, { id: tenantId, name: "mine" });
    await em.persist(tenant).flush();
    return new LiveActionWorld(engines, orm, tenant);
  }

  private constructor(engines: EngineWorld, orm: Orm, tenant: Tenant) {
    this.engines = engines;
    this.#orm = orm;
    this.#tenant = tenant;
  }

  async reset(): Promise<void> {
    await this.engines.reset();
    await this.engines.pool.query("truncate live_action_dispatch, live_action_policy, secret");
  }

  async close(): Promise<void> {
    await this.#orm.close(true);
    await this.engines.close();
  }

  /** A node with these adapters; the tenant's store has what they need, unless told otherwise. */
  async node(
    adapters: readonly Adapter[],
    rest: { execute?: Execute; isConfigured?: false; variables?: StepPorts["variables"] } = {},
  ): Promise<LiveActionNode> {
    const dispatches = await dispatchWorld(this.#orm, adapters, { secretsKey });
    this.#last = dispatches;
    if (rest.isConfigured !== false) await dispatches.put(this.#tenant, { acme_id: "me", acme_token: "s3cret-t0ken" });
    const liveActions = createStepDispatches(dispatches.ports);
    const { execute = echo, variables } = rest;
    const engine = await this.engines.engine(execute, { steps: { liveActions, ...(variables && { variables }) } });
    return { engine, dispatches };
  }

  /** Every isolation has to be approved by a lead. */
  async gate(): Promise<void> {
    const approvers = [{ role: "security_lead" }];
    const policy = { capability: "isolate_host", requireApproval: true, approvers };
    await setLiveActionPolicy(this.#last!.as(this.#tenant, ["admin"]), policy);
  }

  async dispatches(): Promise<LiveActionDispatch[]> {
    return this.#orm.em.fork().find(LiveActionDispatch, { tenantId }, { orderBy: { id: "asc" } });
  }

  approvals(): Promise<Approval[]> {
    return this.#orm.em.fork().find(Approval, { tenantId }, { orderBy: { id: "asc" } });
  }

  /** Resolves when so many live actions wait for people. */
  async asked(count = 1): Promise<Approval[]> {
    await this.engines.until(async () => (await this.approvals()).filter(isPending).length === count);
    return (await this.approvals()).filter(isPending);
  }

  async decide(node: LiveActionNode, approval: Approval, decision: "APPROVE" | "REJECT"): Promise<void> {
    const lead = node.dispatches.as(this.#tenant, ["security_lead"]);
    await decideApproval(lead, decisionsOf(node.dispatches), { id: approval.id, decision });
  }

  async withdraw({ dispatches }: LiveActionNode, requestId: string): Promise<void> {
    await withdrawLiveAction(dispatches.as(this.#tenant), dispatches.ports, { requestId });
  }

  async step(runId: string, stepId = "a"): Promise<StepState | undefined> {
    return (await this.engines.state(runId)).steps.get(stepId);
  }

  /** As others see it when a node is gone: its runs are free. It may live on all the same. */
  async bury(): Promise<void> {
    await this.engines.pool.query("update node set left_at = now(), epoch = epoch + 1");
    await this.engines.pool.query("update run set owner_id = null, wake_at = now() where finished_at is null");
  }

  /** Nobody has decided in time about anything that waits, and somebody looks. */
  async expire(node: LiveActionNode): Promise<void> {
    await this.engines.pool.query("update approval set expires_at = now() - interval '1 s' where status = 'PENDING'");
    await this.sweep(node);
  }

  /** The lease of every dispatch is over, and somebody looks. */
  async sweep({ dispatches: { ports, hub } }: LiveActionNode): Promise<void> {
    await this.engines.pool.query(
      "update live_action_dispatch set lease_until = now() - interval '1 s' where state = 'RUNNING'",
    );
    const sweeper = new DispatchSweeper({ em: ports.em, news: hub, log: silentLog });
    sweeper.start();
    await sweeper.stop();
  }
}

function isPending({ status }: Approval): boolean {
  return status === "PENDING";
}
