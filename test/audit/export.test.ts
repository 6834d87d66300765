import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkExport, linesOf } from "../../src/audit/check-export.ts";
import { localId } from "../../src/core/global-id.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { mutate, send } from "../tenancy/strangers.ts";
import { recordSome } from "./chain-world.ts";

let server: TestServer;
let tenantId: string;
let exported: string;
const url = () => server.url.replace("/graphql", "/api/audit/export");

beforeAll(async () => {
  server = await startTestServer();
  const { data } = await send(server, server.adminToken, "{ viewer { tenant { id } } }");
  tenantId = localId("Tenant", (data as { viewer: { tenant: { id: string } } }).viewer.tenant.id) ?? "";
  await recordSome(server.orm.em, tenantId, 600);
  exported = await (await download(server.adminToken)).text();
});
afterAll(() => server.close());

function download(token: string | null, init: RequestInit = {}): Promise<Response> {
  return fetch(url(), { ...init, headers: token === null ? {} : { authorization: `Bearer ${token}` } });
}

/** In small chunks, as a file is read. */
async function* chunksOf(text: string): AsyncGenerator<string> {
  for (let start = 0; start < text.length; start += 1_000) yield text.slice(start, start + 1_000);
}

function check(text: string) {
  return checkExport(linesOf(chunksOf(text)));
}

describe("the export of the audit trail", () => {
  test("is JSON lines, an entry in each and the end in the last, and passes its check", async () => {
    const lines = exported
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(601);
    expect(lines[0]).toMatchObject({ sequence: 1, tenantId, operation: "putSecret", previousHash: null });
    expect(lines[600]).toEqual({ end: { tenantId, sequence: 600, hash: lines[599].hash } });
    expect(await check(exported)).toEqual({ isIntact: true, tenantId, end: { sequence: 600, hash: lines[599].hash } });
  });

  test("ends where verifyAudit ends", async () => {
    const { data } = await send(server, server.adminToken, "{ verifyAudit { intact entries } }");
    expect(data).toEqual({ verifyAudit: { intact: true, entries: 600 } });
  });

  test("is a download that is kept nowhere by the way", async () => {
    const response = await download(server.adminToken);
    expect(response.headers.get("content-type")).toBe("application/jsonl; charset=utf-8");
    expect(response.headers.get("content-disposition")).toBe('attachment; filename="audit.jsonl"');
    expect(response.headers.get("cache-control")).toBe("no-store");
    await response.body?.cancel();
  });

  test("is of the caller's tenant, and for those who may read the trail", async () => {
    const { token } = await mutate<{ token: string }>(server, server.adminToken, "createTenant", "token", {
      name: "x",
    });
    const other = await (await download(token)).text();
    expect(other).not.toContain(tenantId);
    expect(await check(other)).toMatchObject({ isIntact: true, end: { sequence: 0, hash: null } });
    const input = { name: "author", roles: ["author"] };
    const author = await mutate<{ token: string }>(server, token, "createApiToken", "token", input);
    expect((await download(author.token)).status).toBe(403);
    expect((await download(null)).status).toBe(401);
    expect((await download("nonsense")).status).toBe(401);
    const posted = await download(token, { method: "POST" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET"]);
  });

  test("goes on when somebody stops reading in the middle", async () => {
    const response = await download(server.adminToken);
    const reader = response.body!.getReader();
    expect((await reader.read()).done).toBe(false);
    await reader.cancel();
    expect(await (await download(server.adminToken)).text()).toContain('"sequence":600');
  });
});

describe("the check of an export", () => {
  const lines = () => exported.trimEnd().split("\n");
  const joined = (parts: readonly string[]) => `${parts.join("\n")}\n`;

  test.each<[what: string, change: (lines: string[]) => string[], line: number]>([
    ["an edited entry", (all) => all.with(299, all[299]!.replace("putSecret", "getSecret")), 300],
    ["an entry with something added", (all) => all.with(299, all[299]!.replace("{", '{"note":1,')), 300],
    ["an entry that says a thing twice", (all) => all.with(299, all[299]!.replace("{", '{"outcome":"failed",')), 300],
    ["a removed entry", (all) => all.toSpliced(299, 1), 300],
    ["a removed first entry", (all) => all.slice(1), 1],
    ["a removed last entry", (all) => all.toSpliced(599, 1), 600],
    ["two entries swapped", (all) => all.with(10, all[11]!).with(11, all[10]!), 11],
    ["an entry twice", (all) => all.toSpliced(300, 0, all[299]!), 301],
    ["a line that is no JSON", (all) => all.with(299, "nonsense"), 300],
    ["an empty line", (all) => all.toSpliced(299, 0, ""), 300],
    ["no last line", (all) => all.slice(0, -1), 601],
    ["more behind the last line", (all) => [...all, all[0]!], 602],
    ["another tenant's entry", (all) => all.with(299, all[299]!.replaceAll(tenantId, crypto.randomUUID())), 300],
    ["nothing in it", () => [], 1],
  ])("finds %s", async (_what, change, line) => {
    const changed = change(lines());
    const text = changed.length === 0 ? "" : joined(changed);
    expect(await check(text)).toMatchObject({ isIntact: false, line });
  });

  test("is a command for who has the file only", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "riposte-audit-"));
    const file = path.join(directory, "audit.jsonl");
    const run = async (content: string | undefined) => {
      if (content === undefined) await rm(file);
      else await writeFile(file, content);
      const script = path.join(import.meta.dirname, "../../scripts/verify-audit.ts");
      return promisify(execFile)(process.execPath, [script, file]).then(
        ({ stdout }) => ({ code: 0, said: stdout }),
        (error: { code: number; stderr: string }) => ({ code: error.code, said: error.stderr }),
      );
    };
    try {
      const intact = await run(exported);
      expect(intact).toMatchObject({ code: 0 });
      expect(intact.said).toContain(`Intact: 600 entries of tenant ${tenantId}`);
      const broken = await run(exported.replace('"sequence":300,', '"sequence":301,'));
      expect(broken).toMatchObject({ code: 1 });
      expect(broken.said).toContain("NOT intact: line 300: the chain is broken at sequence 300.");
      expect(await run(undefined)).toMatchObject({ code: 2 });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
