import { chmod, copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseError, Pool } from "pg";
import { silentLog } from "../../../src/core/log.ts";
import { clientConfig, type DatabaseAddress } from "../../../src/database/address.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../../src/database/embedded-postgres.ts";
import { migrate } from "../../../src/database/migrate.ts";
import { openOrm } from "../../../src/database/orm.ts";
import { entities } from "../../../src/entities.ts";
import { type CuttingProxy, startCuttingProxy } from "../../runs/cutting-proxy.ts";
import { freePorts } from "../../support/free-ports.ts";
import { searchDatabase } from "../../support/watched-leaks.ts";
import type { Chance } from "./chance.ts";
import { ChaosNode } from "./node.ts";
import type { VendorCall } from "./vendor.ts";

export const adminToken = "chaos-admin-token-0123456789";

/**
 * Three servers as processes of their own on one PostgreSQL of ours, each as a role of its own, so that the database knows who wrote
 * what. The second and the third reach it by ways that can be cut; on the third's, no notification comes through.
 */
export class ChaosCluster {
  readonly directory: string;
  readonly nodes: readonly ChaosNode[];
  readonly pool: Pool;
  readonly #postgres: EmbeddedPostgres;
  readonly #ways: readonly CuttingProxy[];

  static async start(): Promise<ChaosCluster> {
    const directory = await mkdtemp(path.join(tmpdir(), "riposte-chaos-"));
    await chmod(directory, 0o755); // as root the database runs as another user, who has to get in
    const settings = { fsync: "off", track_commit_timestamp: "on", max_connections: "200" };
    const postgres = await startEmbeddedPostgres({
      dataDirectory: path.join(directory, "data"),
      log: silentLog,
      settings,
    });
    const ways = [
      await startCuttingProxy(postgres.address),
      await startCuttingProxy(postgres.address, { isDeaf: true }),
    ];
    const cluster = new ChaosCluster(directory, postgres, ways, await freePorts(3));
    await cluster.#prepare(postgres.address);
    return cluster;
  }

  private constructor(directory: string, postgres: EmbeddedPostgres, ways: readonly CuttingProxy[], ports: number[]) {
    this.directory = directory;
    this.#postgres = postgres;
    this.#ways = ways;
    this.pool = new Pool({ ...clientConfig(postgres.address), application_name: "chaos", max: 4 });
    this.pool.on("error", () => undefined);
    const addresses = [postgres.address, ...ways.map(({ address }) => address)];
    this.nodes = addresses.map((address, index) => {
      const name = `node_${index}`;
      const socket = encodeURIComponent(clientConfig(address)["host"] ?? "");
      return new ChaosNode({
        name,
        databaseUrl: `postgres://${name}@localhost/riposte?host=${socket}`,
        dataDirectory: path.join(directory, name),
        port: ports[index] ?? 0,
        token: adminToken,
      });
    });
  }

  /** Nodes that answer now. */
  get up(): readonly ChaosNode[] {
    return this.nodes.filter(({ state }) => state === "up");
  }

  /** One node that answers, as soon as there is one. */
  async someUp(chance: Chance): Promise<ChaosNode> {
    while (this.up.length === 0) await sleep(20);
    return chance.pick(this.up);
  }

  /** Restarts PostgreSQL in the way that asks nobody: connections break, and it replays its log. */
  restartDatabase(): void {
    process.kill(this.#postgres.pid, "SIGQUIT");
  }

  /** Breaks every connection of the second or the third node: at once, or with the next answer, which is lost. */
  cut(chance: Chance): void {
    const way = chance.pick(this.#ways);
    if (chance.isHit(0.3)) way.cut();
    else way.loseAnswers();
  }

  /** Who made a call, as far as it can be told. */
  callerOf(call: VendorCall): { readonly node: string; readonly isDazed: boolean } {
    const node = this.nodes.find((each) => each.made(call));
    return { node: node?.name ?? "a process that is ending", isDazed: node?.isDazed ?? false };
  }

  /** Asks the database, which may be away for a while. */
  async query<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    for (;;) {
      try {
        const { rows } = await this.pool.query<Row>(sql, [...values]);
        return rows;
      } catch (error) {
        if (error instanceof DatabaseError && !/^(08|57P)/.test(error.code ?? "")) throw error;
        await sleep(50);
      }
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    const client = await this.pool.connect();
    await searchDatabase(client);
    client.release();
    await this.pool.end();
    await Promise.all(this.#ways.map((way) => way.close()));
    await this.#postgres.stop();
    const keep = process.env["CHAOS_LOGS"];
    if (keep) for (const { name, logFile } of this.nodes) await copyFile(logFile, path.join(keep, `${name}.log`));
    await rm(this.directory, { recursive: true, force: true });
  }

  async #prepare(address: DatabaseAddress): Promise<void> {
    const orm = await openOrm(address, entities);
    await migrate(orm);
    await orm.close(true);
    for (const table of ["run_event", "node"]) {
      await this.query(`alter table ${table} add column written_by text not null default session_user`);
    }
    for (const { name, dataDirectory } of this.nodes) {
      await this.query(`create role ${name} superuser login`);
      await mkdir(dataDirectory);
    }
    await Promise.all(this.nodes.map((node) => node.start()));
  }
}
