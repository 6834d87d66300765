import { describe, expect, test } from "vitest";
import type { AdapterRequest } from "../../src/live-actions/adapter.ts";
import { blockIoc } from "../../src/live-actions/vendors/defender-indicators.ts";
import { describeAdapter } from "./adapter-contract.ts";
import { startDefender } from "./fakes/defender.ts";
import { tryAdapter } from "./try-adapter.ts";
import { tryDefender } from "./try-defender.ts";

const bad: AdapterRequest = { requestId: "request-1", target: "203.0.113.7", params: {} };
const signIn = "POST /login/contoso.example/oauth2/v2.0/token";

describeAdapter(blockIoc, {
  startFake: startDefender,
  request: bad,
  signIn,
  expectedCalls: [signIn, "GET /api/indicators", "POST /api/indicators"],
  expectedDetails: { indicator_id: "995", indicator_type: "IpAddress", indicator_value: "203.0.113.7" },
  looksUpTarget: false,
  rollback: { expectedCalls: [signIn, "DELETE /api/indicators/{id}"], unreadAnswers: ["DELETE /api/indicators/{id}"] },
});

describe("an indicator of Defender", () => {
  const allowed = {
    id: "12",
    indicatorValue: "203.0.113.7",
    indicatorType: "IpAddress",
    action: "Allowed",
    title: "ours",
    description: "the scanner",
    severity: "Low",
    generateAlert: false,
    expirationTime: "2027-01-01T00:00:00Z",
    rbacGroupNames: ["team1"],
    createdBy: "somebody",
    lastUpdatedBy: null,
  };

  test("has all that Defender requires, and says which live action it is of", async () => {
    const { fake } = await tryDefender(blockIoc, bad);
    expect(fake.indicators).toMatchObject([
      { action: "Block", severity: "High", generateAlert: true, description: "Riposte, live action request-1" },
    ]);
    const params = { title: "C2", description: "of case 7" };
    const named = await tryDefender(blockIoc, { ...bad, params });
    expect(named.fake.indicators).toMatchObject([
      { title: "C2", description: "of case 7 (Riposte, live action request-1)" },
    ]);
  });

  test.each([
    ...[
      ["IpAddress", "2001:db8::7"],
      ["DomainName", "evil.example"],
      ["Url", "https://evil.example/a'b?c=%27 or 1 eq 1".replaceAll(" ", "%20")],
    ],
    ...[
      ["FileSha1", "a".repeat(40)],
      ["FileSha256", "A".repeat(64)],
      ["FileMd5", "0".repeat(32)],
      ["CertificateThumbprint", "f".repeat(40)],
    ],
  ])("of the type %s blocks %s", async (ioc_type, target) => {
    const { result } = await tryDefender(blockIoc, { ...bad, target, params: { ioc_type } });
    expect(result).toMatchObject({ details: { indicator_type: ioc_type, indicator_value: target } });
  });

  test.each([
    ...[
      ["IpAddress", "203.0.113.0/24"],
      ["IpAddress", "evil.example"],
      ["IpAddress", "fe80::1%eth0"],
      ["IpAddress", " 203.0.113.7"],
    ],
    ...[
      ["DomainName", "https://evil.example"],
      ["DomainName", "evil"],
      ["DomainName", "*.evil.example"],
      ["DomainName", "a'b.example"],
    ],
    ...[
      ["Url", "evil.example"],
      ["Url", "javascript:alert(1)"],
      ["Url", "https://evil.example/a b"],
      ["Url", `https://e/${"x".repeat(2_100)}`],
    ],
    ...[
      ["FileSha256", "a".repeat(40)],
      ["FileSha1", `${"a".repeat(39)}g`],
      ["FileMd5", `${"0".repeat(32)}\n`],
    ],
  ])("of the type %s is not made for %j", (ioc_type, target) => {
    expect(blockIoc.check?.({ ...bad, target, params: { ioc_type } })).toMatchObject({ error: "invalid_target" });
  });

  test.each(["ipaddress", "toString", "__proto__", "", 7])("has no type %j", (ioc_type) => {
    expect(blockIoc.check?.({ ...bad, params: { ioc_type } })).toMatchObject({ error: "invalid_params" });
  });

  test.each([{ title: "" }, { title: 7 }, { description: "x".repeat(2_001) }])("has no texts like %j", (params) => {
    expect(blockIoc.check?.({ ...bad, params })).toMatchObject({ error: "invalid_params" });
  });

  test("that allowed it is changed, and as it was after the rollback", async () => {
    const { fake, result, undo } = await tryDefender(blockIoc, bad, { indicators: [allowed] });
    expect(result).toMatchObject({
      details: { already_blocked: false, previous: { action: "Allowed", title: "ours" } },
      warnings: [expect.stringContaining("Allowed")],
    });
    expect(fake.indicators).toMatchObject([{ id: "12", action: "Block" }]);
    expect((await undo()).result).toMatchObject({ status: "SUCCEEDED", details: { action: "Allowed" } });
    const { createdBy, lastUpdatedBy, ...settings } = allowed;
    expect(fake.indicators).toMatchObject([settings]);
  });

  test("that blocked it before stays, also after the rollback", async () => {
    const blocked = { ...allowed, action: "Block" };
    const { fake, result, undo } = await tryDefender(blockIoc, bad, { indicators: [blocked] });
    expect(result).toMatchObject({ status: "SUCCEEDED", details: { already_blocked: true, indicator_id: "12" } });
    expect((await undo()).result).toMatchObject({ status: "FAILED", error: "nothing_to_undo" });
    expect(fake.indicators).toEqual([blocked]);
  });

  test("is its own where the same live action made it before and nobody heard so", async () => {
    const { fake } = await tryDefender(blockIoc, bad);
    const again = await tryAdapter({ adapter: blockIoc, request: bad, fake });
    expect(again.result).toMatchObject({ details: { already_blocked: false } });
    const other = await tryAdapter({ adapter: blockIoc, request: { ...bad, requestId: "request-2" }, fake });
    expect(other.result).toMatchObject({ details: { already_blocked: true } });
    expect(fake.indicators).toHaveLength(1);
  });

  test("that is gone already needs no undoing", async () => {
    const { undo } = await tryDefender(blockIoc, bad);
    await undo();
    expect((await undo()).result).toMatchObject({
      status: "SUCCEEDED",
      summary: expect.stringContaining("deleted already"),
    });
  });

  test.each(["../machines", "", null])("is not deleted by the id %j", async (id) => {
    const { fake, undo } = await tryDefender(blockIoc, bad);
    const details = { indicator_id: id, indicator_value: "x", indicator_type: "Url" };
    expect((await undo(details)).result).toMatchObject({ status: "FAILED", error: "nothing_to_undo" });
    expect(fake.indicators).toHaveLength(1);
  });
});
