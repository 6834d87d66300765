import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { maskedDetail } from "../../src/audit/masked-detail.ts";
import { recordAudit } from "../../src/audit/record-audit.ts";
import { newId } from "../../src/core/ids.ts";
import type { Json } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

describe("the detail of an entry", () => {
  test.each([
    "password",
    "dbPassword",
    "PASSWD",
    "secret",
    "client-secret",
    "token",
    "accessToken",
    "api_key",
    "X-Api-Key",
    "private_key",
    "privateKey",
    "credential",
    "okta_credentials",
    "Authorization",
    "Cookie",
    "set-cookie",
    "sessionId",
  ])("keeps nothing under the name %s, at any depth", (name) => {
    const canary = "canary-4711";
    const detail = { [name]: canary, list: [{ [name]: { deep: canary } }], host: "vpn-01" };
    expect(maskedDetail(detail)).toEqual({ [name]: "***", list: [{ [name]: "***" }], host: "vpn-01" });
  });

  test.each(["name", "reason", "version", "monkey", "keyboard", "runId"])("keeps what is called %s", (name) => {
    expect(maskedDetail({ [name]: "x", nothing: null })).toEqual({ [name]: "x", nothing: null });
  });

  test("says that there is no secret where there is none", () => {
    expect(maskedDetail({ token: null })).toEqual({ token: null });
  });

  test("that is too large is cut, and says so", () => {
    for (const character of ["x", "ä", "\u0001", '"', "😀"]) {
      const cut = maskedDetail({ text: character.repeat(limits.auditDetailBytesMax) });
      expect(cut).toMatchObject({ isCut: true });
      expect(Number(cut["bytes"])).toBeGreaterThan(limits.auditDetailBytesMax);
      expect(Buffer.byteLength(JSON.stringify(cut))).toBeLessThanOrEqual(limits.auditDetailBytesMax);
    }
  });

  test("just within the bound is kept whole", () => {
    const detail = { text: "x".repeat(limits.auditDetailBytesMax - '{"text":""}'.length) };
    expect(maskedDetail(detail)).toEqual(detail);
    expect(maskedDetail({ text: `${detail.text}x` })).toMatchObject({ isCut: true });
  });
});

describe("an entry", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.close());

  test.each<[what: string, subject: string, detail: Record<string, Json>]>([
    ["a subject that is too long", `target:${"x".repeat(3_000)}`, {}],
    ["a subject with NUL", "target:a\u0000b", {}],
    ["half of a surrogate pair", "target:\ud800", { text: "\udfff", "\ud800": 1 }],
    ["a detail with NUL", "target:x", { text: "a\u0000b", ["k\u0000"]: [] }],
    ["a detail that is too large", "target:x", { list: Array.from({ length: 20_000 }, (_, index) => index) }],
  ])("takes %s as what can be stored", async (_what, subject, detail) => {
    const [tenantId, em] = [newId(), database.orm.em.fork()];
    await recordAudit(
      em,
      { tenantId, actor: { kind: "SYSTEM", name: "test" } },
      { operation: "test", subject, detail },
    );
    const rows = await em.execute<{ subject: string }[]>("select subject from audit_entry where tenant_id = ?", [
      tenantId,
    ]);
    expect(rows).toHaveLength(1);
    expect(rows[0]?.subject.length).toBeLessThanOrEqual(512);
  });
});
