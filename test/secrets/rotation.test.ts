import { execFile } from "node:child_process";
import { chown, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { newId } from "../../src/core/ids.ts";
import { executeIn } from "../../src/database/statement.ts";
import { sealedColumns } from "../../src/sealed-columns.ts";
import { addKey, keepFirstKey } from "../../src/secrets/add-key.ts";
import { createReadSecrets } from "../../src/secrets/credential-store.ts";
import { Secret } from "../../src/secrets/entities.ts";
import { openKeyRing } from "../../src/secrets/key-ring.ts";
import { resealColumn } from "../../src/secrets/reseal.ts";
import { createSealer } from "../../src/secrets/seal.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { hearOutput, watchedArguments } from "../support/watched-leaks.ts";

const run = promisify(execFile);
const root = path.join(import.meta.dirname, "../..");
const [secretColumn] = sealedColumns;
let dataDirectory: string;
let keyFile: string;
let database: TestDatabase;

beforeAll(async () => {
  dataDirectory = await mkdtemp(path.join(tmpdir(), "riposte-rotation-"));
  keyFile = path.join(dataDirectory, "secrets.key");
  database = await createTestDatabase();
});
afterAll(async () => {
  await database?.close();
  await rm(dataDirectory, { recursive: true });
});

const openRing = () => openKeyRing({ secretsKey: undefined, dataDirectory });

describe("the rotation of the key", () => {
  test("knows every column that holds sealed texts", async () => {
    const found = await database.orm.em.execute<{ place: string }[]>(
      `select table_name || '.' || column_name as place from information_schema.columns
       where table_schema = current_schema() and column_name like '%sealed%' order by 1`,
    );
    expect(sealedColumns.map(({ table, column }) => `${table}.${column}`).sort()).toEqual(
      found.map(({ place }) => place).sort(),
    );
  });

  test("encrypts anew what is under an older key, and nothing twice", async () => {
    const tenantId = newId();
    const old = createSealer(await openRing());
    const em = database.orm.em.fork();
    const names = Array.from({ length: 1_203 }, (_, index) => `name-${index}`);
    const row = async (name: string) => {
      const sealed = await old.seal(`value of ${name}`, { tenantId, purpose: `secret:${name}` });
      return { id: newId(), tenantId, name, sealed, keyId: old.keyId, createdAt: new Date(), updatedAt: new Date() };
    };
    await em.insertMany(Secret, await Promise.all(names.map(row)));
    await addKey(keyFile);
    const ring = await openRing();
    const sealer = createSealer(ring);
    expect(ring.current.id).not.toBe(old.keyId);
    expect(await resealColumn(em, sealer, secretColumn!)).toEqual({ count: names.length, unreadable: 0 });
    expect(await resealColumn(em, sealer, secretColumn!)).toEqual({ count: 0, unreadable: 0 });
    expect(await em.fork().count(Secret, { keyId: ring.current.id })).toBe(names.length);
    await keepFirstKey(keyFile, ring.current.id);
    const young = createSealer(await openRing());
    const readSecrets = createReadSecrets({ execute: () => executeIn(em), sealer: young, clock: systemClock });
    expect(await readSecrets(tenantId, ["name-0", "name-1202"])).toEqual(
      new Map([
        ["name-0", "value of name-0"],
        ["name-1202", "value of name-1202"],
      ]),
    );
    await em.nativeDelete(Secret, { tenantId });
  });

  test("leaves what it can't open as it is, and says how much that is", async () => {
    const tenantId = newId();
    const foreign = await mkdtemp(path.join(tmpdir(), "riposte-foreign-"));
    const other = createSealer(await openKeyRing({ secretsKey: undefined, dataDirectory: foreign }));
    await rm(foreign, { recursive: true });
    const em = database.orm.em.fork();
    const sealed = await other.seal("lost", { tenantId, purpose: "secret:lost" });
    em.create(Secret, { tenantId, name: "lost", sealed, keyId: other.keyId });
    await em.flush();
    const sealer = createSealer(await openRing());
    expect(await resealColumn(em, sealer, secretColumn!)).toEqual({ count: 0, unreadable: 1 });
    expect((await em.fork().findOneOrFail(Secret, { tenantId })).sealed).toBe(sealed);
    await em.nativeDelete(Secret, { tenantId });
  });

  test("is not begun while another is under way", async () => {
    const before = await readFile(keyFile, "utf8");
    const both = await Promise.allSettled([addKey(keyFile), addKey(keyFile), addKey(keyFile)]);
    const added = both.filter(({ status }) => status === "fulfilled").length;
    expect(added).toBeGreaterThan(0);
    const keys = (await readFile(keyFile, "utf8")).trim().split("\n");
    expect(keys.length).toBe(before.trim().split("\n").length + added);
  });

  test("loses no key where others end between its first look and its turn", async () => {
    await openRing();
    let keys = (await readFile(keyFile, "utf8")).trim().split("\n").length;
    // One begins in each turn, so that whoever comes next after another's end had begun before it.
    const all: Promise<boolean>[] = [];
    for (let turn = 0; turn < 300; turn++) {
      all.push(
        addKey(keyFile).then(
          () => true,
          () => false,
        ),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    keys += (await Promise.all(all)).filter(Boolean).length;
    expect((await readFile(keyFile, "utf8")).trim().split("\n")).toHaveLength(keys);
  });

  test("forgets no key that another rotation has made since", async () => {
    const { id } = (await openRing()).current;
    await addKey(keyFile);
    const before = await readFile(keyFile, "utf8");
    await expect(keepFirstKey(keyFile, id)).rejects.toThrow("Another rotation has begun since");
    expect(await readFile(keyFile, "utf8")).toBe(before);
    await keepFirstKey(keyFile, (await openRing()).current.id);
    expect(before.startsWith(await readFile(keyFile, "utf8"))).toBe(true);
  });

  test.runIf(process.getuid?.() === 0)("by root leaves the file to the user whose it was", async () => {
    const others = await mkdtemp(path.join(tmpdir(), "riposte-others-"));
    const file = path.join(others, "secrets.key");
    await openKeyRing({ secretsKey: undefined, dataDirectory: others });
    await chown(file, 60_001, 60_002);
    await addKey(file);
    expect(await stat(file)).toMatchObject({ uid: 60_001, gid: 60_002 });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await rm(others, { recursive: true });
  });
});

describe("npm run rotate-key", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ config: { SECRETS_KEY: undefined, DATA_DIR: dataDirectory } });
  });
  afterAll(() => server?.close());

  async function put(name: string, value: string): Promise<void> {
    const document = `mutation($input: PutSecretInput!) { putSecret(input: $input) { __typename } }`;
    const answer = await server.client().request(document, { input: { name, value } });
    expect(answer).toEqual({ putSecret: { __typename: "PutSecretPayload" } });
  }

  test("loses no secret of a server under load, and leaves none under the old key", async () => {
    const old = (await openRing()).current.id;
    const values = new Map<string, string>();
    let isOver = false;
    const writing = Array.from({ length: 4 }, async (_, writer) => {
      for (let turn = 0; !isOver; turn += 1) {
        const name = `secret-${writer}-${turn % 20}`;
        await put(name, `value ${turn}`);
        values.set(name, `value ${turn}`);
      }
    });
    const rotating = run(process.execPath, [...watchedArguments(), "src/rotate-key.ts", "--forget"], {
      cwd: root,
      env: { ...process.env, DATA_DIR: dataDirectory, DATABASE_URL: urlOf(server) },
    });
    hearOutput(rotating.child, "the rotation");
    // The server goes on being written to until the command has made its key, and for a while after.
    await expect.poll(async () => (await openRing()).current.id).not.toBe(old);
    const ring = await openRing();
    const em = () => server.orm.em.fork();
    await expect.poll(() => em().count(Secret, { keyId: ring.current.id })).toBeGreaterThan(0);
    isOver = true;
    await Promise.all(writing);
    expect((await rotating).stdout).toContain(`Everything is encrypted with the key ${ring.current.id}.`);
    expect(await em().count(Secret, { keyId: { $ne: ring.current.id } })).toBe(0);
    expect((await readFile(keyFile, "utf8")).trim().split("\n")).toHaveLength(1);
    const opening = { sealer: createSealer(await openRing()), clock: systemClock };
    const readSecrets = createReadSecrets({ execute: () => executeIn(em()), ...opening });
    const [{ tenantId }] = (await em().find(Secret, {})) as [Secret];
    expect(values.size).toBeGreaterThan(0);
    expect(await readSecrets(tenantId, [...values.keys()])).toEqual(values);
    await put("after", "the rotation");
    expect((await em().findOneOrFail(Secret, { name: "after" })).keyId).toBe(ring.current.id);
  });
});

function urlOf({ database: address }: TestServer): string {
  if (!("socketDirectory" in address)) throw new Error("The test database has a socket.");
  return `postgres://${address.user}@localhost/${address.database}?host=${encodeURIComponent(address.socketDirectory)}`;
}
