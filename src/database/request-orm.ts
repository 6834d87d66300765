import { AsyncLocalStorage } from "node:async_hooks";
import { type EntityClass, type EntityManager, MikroORM } from "@mikro-orm/postgresql";
import type { Pool, PoolClient } from "pg";
import { limits } from "../core/limits.ts";
import { Shares } from "../core/shares.ts";
import type { DatabaseAddress } from "./address.ts";
import { releaseBroken } from "./broken-clients.ts";
import { type Orm, ormConfig } from "./orm.ts";
import { requestRole, tenantVariable } from "./tenant-wall.ts";

const scope = new AsyncLocalStorage<string>();

/**
 * Opens the database for requests, behind the wall between tenants: every statement runs as the role of requests and sees the rows of one tenant
 * only. Work with it through `behindWall`; a statement that goes another way sees none. Who waits too long for a connection or a lock is refused,
 * and no tenant holds all connections.
 */
export function openRequestOrm(
  address: DatabaseAddress,
  entities: EntityClass<object>[],
  { connectionWaitMs, requestLockMs }: RequestWaits = limits,
): Promise<Orm> {
  const config = ormConfig(address, entities);
  const onPoolCreated = (pool: Pool) => {
    releaseBroken(pool);
    enterOnConnect(pool, new Shares({ max: limits.tenantConnectionsMax, waitMs: connectionWaitMs }));
  };
  const waits = { connectionTimeoutMillis: connectionWaitMs, lock_timeout: requestLockMs };
  return MikroORM.init({ ...config, driverOptions: { ...config.driverOptions, ...waits, onPoolCreated } });
}

interface RequestWaits {
  readonly connectionWaitMs: number;
  readonly requestLockMs: number;
}

/** What a connection was told last. */
const told = new WeakMap<PoolClient, string>();

/** Whoever gets a connection of the pool has it in the part of its own tenant, whomever it served before, and as one of its tenant's share. */
function enterOnConnect(pool: Pool, shares: Shares): void {
  const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
  const holders = new WeakMap<PoolClient, string>();
  const giveBack = (tenantId: string | undefined) => {
    if (tenantId !== undefined) shares.give(tenantId);
  };
  pool.on("release", (_error, client) => {
    giveBack(holders.get(client));
    holders.delete(client);
  });
  const connectAs = async (tenantId: string): Promise<PoolClient> => {
    await shares.take(tenantId);
    try {
      const client = await connect();
      holders.set(client, tenantId);
      return client;
    } catch (error) {
      shares.give(tenantId);
      throw error;
    }
  };
  const connectInScope = async (): Promise<PoolClient> => {
    const tenantId = scope.getStore() ?? "";
    const client = await connectAs(tenantId);
    try {
      await enter(client, tenantId);
    } catch (error) {
      client.release(error instanceof Error ? error : true);
      throw error;
    }
    return client;
  };
  pool.connect = connectInScope as Pool["connect"];
}

/** Connections that are taken within `work` are in the part of this tenant. */
export function inTenant<Result>(tenantId: string, work: () => Result): Result {
  return scope.run(tenantId, work);
}

async function enter(client: PoolClient, tenantId: string): Promise<void> {
  const before = told.get(client);
  if (before === tenantId) return;
  told.delete(client);
  if (before === undefined) await client.query(`set role ${requestRole}`);
  await client.query("select set_config($1, $2, false)", [tenantVariable, tenantId]);
  told.set(client, tenantId);
}

/**
 * The EntityManager as it works for a tenant: all it reads and writes, its forks and transactions too, is that tenant's. Undefined for nobody's:
 * nothing is found, and nothing can be written.
 */
export function behindWall(em: EntityManager, tenantId: string | undefined): EntityManager {
  const methods = new Map<PropertyKey, unknown>();
  return new Proxy(em, {
    get(target, name) {
      const known = methods.get(name);
      if (known) return known;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const method = (...args: unknown[]) => {
        const answer: unknown = inTenant(tenantId ?? "", () => Reflect.apply(value, target, args));
        return name === "fork" ? behindWall(answer as EntityManager, tenantId) : answer;
      };
      methods.set(name, method);
      return method;
    },
  });
}

/** For the rest of this transaction, the part of another tenant: of one that is being made. */
export async function enterTenant(em: EntityManager, tenantId: string): Promise<void> {
  await em.execute("select set_config(?, ?, true)", [tenantVariable, tenantId]);
}
