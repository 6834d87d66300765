import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { silentLog } from "../../src/core/log.ts";
import { clientConfig, type DatabaseAddress } from "../../src/database/address.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/database/embedded-postgres.ts";

function newDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), "riposte-embedded-"));
  chmodSync(directory, 0o711);
  // Registered first, so run last, when whatever works in it has stopped.
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function start(dataDirectory: string): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ dataDirectory, log: silentLog });
  onTestFinished(() => postgres.stop());
  return postgres;
}

interface Server {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly postgresPid: number;
  readonly address: DatabaseAddress;
}

/** Starts a server as a process of its own, which can be killed. Fails with what it wrote when it does not start. */
async function startServer(dataDirectory: string): Promise<Server> {
  const child = spawnServer(dataDirectory);
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const line = await Promise.race([
    once(child.stdout, "data").then(([text]) => String(text)),
    once(child, "close").then(() => Promise.reject(new Error(errors))),
  ]);
  return { child, ...JSON.parse(line) };
}

function spawnServer(dataDirectory: string): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "embedded-server.ts"), dataDirectory]);
  onTestFinished(async () => {
    child.stdin.end();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  return child;
}

async function query(address: DatabaseAddress, statement: string): Promise<unknown[]> {
  const client = new pg.Client(clientConfig(address));
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

async function addRow(address: DatabaseAddress, id: number): Promise<void> {
  await query(address, "create table if not exists deed (id int primary key)");
  await query(address, `insert into deed values (${id})`);
}

function hasSetpriv(): boolean {
  return spawnSync("setpriv", ["--pdeathsig", "INT", "true"]).status === 0;
}

const deeds = "select id from deed order by id";

/** Repeats what may fail while the database is away. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe("the embedded PostgreSQL", () => {
  test("keeps its rows over a stop and a start", async () => {
    const directory = newDirectory();
    const first = await start(directory);
    await addRow(first.address, 1);
    await first.stop();
    const second = await start(directory);
    expect(await query(second.address, deeds)).toEqual([{ id: 1 }]);
  });

  test("writes durably", async () => {
    const { address } = await start(newDirectory());
    expect(await query(address, "show fsync")).toEqual([{ fsync: "on" }]);
    expect(await query(address, "show full_page_writes")).toEqual([{ full_page_writes: "on" }]);
    expect(await query(address, "show synchronous_commit")).toEqual([{ synchronous_commit: "on" }]);
  });

  test("listens on no port, and lets only its own user to its files and its socket", async () => {
    const directory = newDirectory();
    const { address } = await start(directory);
    expect(await query(address, "show listen_addresses")).toEqual([{ listen_addresses: "" }]);
    expect(statSync(path.join(directory, "postgres")).mode & 0o777).toBe(0o700);
    expect("socketDirectory" in address && statSync(address.socketDirectory).mode & 0o777).toBe(0o700);
  });

  test("runs beside another one", async () => {
    const [one, other] = await Promise.all([start(newDirectory()), start(newDirectory())]);
    await addRow(one.address, 1);
    await addRow(other.address, 2);
    expect(await query(one.address, deeds)).toEqual([{ id: 1 }]);
    expect(await query(other.address, deeds)).toEqual([{ id: 2 }]);
  });

  test("leaves nothing but the data directory behind when it stops", async () => {
    const directory = newDirectory();
    const postgres = await start(directory);
    await postgres.stop();
    expect(readdirSync(directory)).toEqual(["postgres"]);
    expect("socketDirectory" in postgres.address && existsSync(postgres.address.socketDirectory)).toBe(false);
  });

  test("refuses a data directory that another server has, and says which", async () => {
    const directory = newDirectory();
    const other = await startServer(directory);
    await expect(start(directory)).rejects.toThrow(`is in use by process ${other.pid}.`);
    await addRow(other.address, 1);
    expect(await query(other.address, deeds)).toEqual([{ id: 1 }]);
  });

  test("refuses a data directory that this process has already", async () => {
    const directory = newDirectory();
    await start(directory);
    await expect(start(directory)).rejects.toThrow(`is in use by process ${process.pid}.`);
  });

  test("belongs to one of two servers that start at once", async () => {
    const directory = newDirectory();
    const started = await Promise.allSettled([startServer(directory), startServer(directory), startServer(directory)]);
    expect(started.filter(({ status }) => status === "fulfilled").length).toBeLessThanOrEqual(1);
    for (const result of started) {
      if (result.status === "rejected") expect(String(result.reason)).toContain("is in use by process");
    }
  });

  test("comes back at the same address when PostgreSQL is killed, with all that was committed", async () => {
    const postgres = await start(newDirectory());
    const { pid, address } = postgres;
    await addRow(address, 1);
    process.kill(pid, "SIGKILL");
    expect(await eventually(() => query(address, deeds))).toEqual([{ id: 1 }]);
    await vi.waitUntil(() => postgres.pid !== pid, { timeout: 20_000 });
    process.kill(postgres.pid, "SIGKILL");
    await eventually(() => addRow(address, 2));
    expect(await query(address, deeds)).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test("comes back although a backend of the dead PostgreSQL is too busy to notice", async () => {
    const postgres = await start(newDirectory());
    const busy = query(postgres.address, "select sum(i) from generate_series(1, 1000000000) as i").catch(
      () => "cut off",
    );
    await eventually(async () => {
      const sql = "select 1 from pg_stat_activity where state = 'active' and query like '%generate_series(1,%'";
      expect(await query(postgres.address, sql)).toHaveLength(2);
    });
    process.kill(postgres.pid, "SIGKILL");
    expect(await busy).toBe("cut off");
    expect(await eventually(() => query(postgres.address, "select 1 as one"))).toEqual([{ one: 1 }]);
  });

  test("stops for good when it is told to while it comes back", async () => {
    const directory = newDirectory();
    const postgres = await start(directory);
    process.kill(postgres.pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 5));
    await postgres.stop();
    expect(readdirSync(directory)).toEqual(["postgres"]);
    const again = await start(directory);
    expect(await query(again.address, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test.each([
    ["the server is killed", ["pid"]],
    ["PostgreSQL and then the server is killed", ["postgresPid", "pid"]],
    ["the server and then PostgreSQL is killed", ["pid", "postgresPid"]],
  ] as const)("starts again with all that was committed after %s", async (_name, victims) => {
    const directory = newDirectory();
    for (let round = 1; round <= 3; round += 1) {
      const server = await startServer(directory);
      await addRow(server.address, round);
      for (const victim of victims) process.kill(server[victim], "SIGKILL");
      await once(server.child, "close");
    }
    const { address } = await start(directory);
    expect(await query(address, deeds)).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  });

  test("starts again after a kill at any moment of the first start", async () => {
    const directory = newDirectory();
    for (const afterMs of [150, 200, 250, 300, 400, 500, 700, 900]) {
      const child = spawnServer(directory);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
    const { address } = await start(directory);
    await addRow(address, 1);
    expect(await query(address, "select current_database() as name")).toEqual([{ name: "riposte" }]);
  });

  test("takes no notice of an empty lock, a lock of some other process or files half made", async () => {
    const directory = newDirectory();
    const cluster = path.join(directory, "postgres");
    mkdirSync(`${cluster}.unfinished-1/base`, { recursive: true });
    const first = await start(directory);
    await addRow(first.address, 1);
    await first.stop();
    writeFileSync(path.join(cluster, "postmaster.pid"), "");
    await (await start(directory)).stop();
    writeFileSync(path.join(cluster, "postmaster.pid"), `${process.ppid}\n${cluster}\n1700000000\n5432\n\n\n 1 1\n`);
    writeFileSync(path.join(directory, "claim-gone-1-1.json"), "{");
    const { address } = await start(directory);
    expect(await query(address, deeds)).toEqual([{ id: 1 }]);
  });

  test.runIf(process.getuid?.() === 0 && process.platform === "linux" && hasSetpriv())(
    "runs for root in a directory that others may not enter, as another user",
    async () => {
      const directory = newDirectory();
      chmodSync(directory, 0o700);
      const { address } = await start(path.join(directory, "data"));
      await addRow(address, 1);
      expect(await query(address, deeds)).toEqual([{ id: 1 }]);
    },
  );
});
