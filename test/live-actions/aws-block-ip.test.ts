import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import type { Adapter } from "../../src/live-actions/adapter.ts";
import { allowIp, blockIp } from "../../src/live-actions/vendors/aws-security-groups.ts";
import { asked, kept, rollBackAt, runAt, withCredentials } from "./fake-trials.ts";
import { type AwsFake, type AwsOptions, type FakeRule, groupId, region, startAwsFake } from "./fakes/aws.ts";
import { expectDone } from "./try-adapter.ts";

const start = (options: AwsOptions) => kept(startAwsFake({}, options));
const run = (adapter: Adapter, fake: AwsFake, target: string, params: JsonObject = {}) =>
  runAt(fake, adapter, asked(target, params));
const rollBack = async (adapter: Adapter, fake: AwsFake, details: JsonObject) =>
  expectDone(await rollBackAt(fake, adapter, details));

const tcp = (id: string, port: number, cidr: string, more: Partial<FakeRule> = {}): FakeRule => ({
  ...{ id, protocol: "tcp", fromPort: port, toPort: port, cidr },
  ...more,
});
const idsOf = (rules: readonly { readonly id: string }[]) => rules.map(({ id }) => id);
const calledOf = (fake: AwsFake) => fake.calls.map(({ name }) => name.replace("EC2 ", ""));

describe("blocking an address", () => {
  test("revokes its rules of every protocol and port, those within a network too, and no other's", async () => {
    const fake = await start({
      rules: [
        tcp("sgr-ssh", 22, "203.0.113.7/32"),
        { id: "sgr-all", protocol: "-1", cidr: "203.0.113.7/32" },
        tcp("sgr-part", 443, "203.0.113.128/25"),
        tcp("sgr-other", 443, "198.51.100.0/24"),
        tcp("sgr-v6", 443, "2001:db8::/32"),
        { id: "sgr-out", protocol: "-1", cidr: "203.0.113.7/32", isEgress: true },
      ],
    });
    const { details, completion } = expectDone(await run(blockIp, fake, "203.0.113.0/24"));
    expect(idsOf(fake.rules)).toEqual(["sgr-other", "sgr-v6", "sgr-out"]);
    expect(details).toMatchObject({ cidr: "203.0.113.0/24", sg_id: groupId, region, already: false });
    expect((details["revoked"] as JsonObject[]).map((rule) => rule["rule_id"])).toEqual([
      "sgr-ssh",
      "sgr-all",
      "sgr-part",
    ]);
    expect(completion).toBe("confirmed");
    expect(calledOf(fake)).not.toContain("AuthorizeSecurityGroupIngress");
  });

  test("takes IPv6, and an IPv4 address that is written as IPv6", async () => {
    const fake = await start({ rules: [tcp("sgr-6", 443, "2001:db8::7/128"), tcp("sgr-4", 443, "203.0.113.7/32")] });
    expectDone(await run(blockIp, fake, "2001:DB8:0::7"));
    expect(idsOf(fake.rules)).toEqual(["sgr-4"]);
    expectDone(await run(blockIp, fake, "::ffff:203.0.113.7"));
    expect(fake.rules).toEqual([]);
  });

  test.each<[string, FakeRule[], readonly string[]]>([
    ["a wider network", [tcp("sgr-wide", 443, "203.0.113.0/24")], ["sgr-wide"]],
    ["everybody", [{ id: "sgr-any", protocol: "-1", cidr: "0.0.0.0/0" }], ["sgr-any"]],
    [
      "a prefix list",
      [{ id: "sgr-list", protocol: "tcp", fromPort: 443, toPort: 443, prefixList: "pl-office" }],
      ["sgr-list"],
    ],
  ])(
    "fails where %s admits it still, names the rule, and revokes the address's own all the same",
    async (_what, rules, ids) => {
      const own = tcp("sgr-own", 22, "203.0.113.7/32");
      const fake = await start({
        rules: [own, ...rules],
        prefixLists: { "pl-office": ["198.51.100.0/24", "203.0.113.0/28"] },
      });
      const { result } = await run(blockIp, fake, "203.0.113.7");
      expect(result).toMatchObject({ status: "FAILED", error: "still_admitted" });
      const named = result?.details["still_admitted"] as JsonObject[];
      expect(named.map((rule) => rule["rule_id"])).toEqual(ids);
      expect(result?.summary).toContain(ids[0]);
      expect(fake.rules).toEqual(rules);
      expect(result).toMatchObject({ isPartial: true, details: { revoked: [{ rule_id: "sgr-own" }] } });
      await rollBack(blockIp, fake, result?.details ?? {});
      expect(fake.rules).toHaveLength(2);
    },
  );

  test("is not misled by a prefix list without it, and says which rules it could not look into", async () => {
    const rules: FakeRule[] = [
      { id: "sgr-list", protocol: "-1", prefixList: "pl-office" },
      { id: "sgr-secret", protocol: "-1", prefixList: "pl-forbidden" },
      { id: "sgr-group", protocol: "-1", group: "sg-other" },
    ];
    const fake = await start({ rules, prefixLists: { "pl-office": ["198.51.100.0/24"] } });
    const { warnings } = expectDone(await run(blockIp, fake, "203.0.113.7"));
    expect(warnings).toEqual([expect.stringContaining("pl-forbidden"), expect.stringContaining("sgr-group")]);
  });

  test("keeps to a protocol and port where they are given", async () => {
    const fake = await start({ rules: [tcp("sgr-22", 22, "203.0.113.7/32"), tcp("sgr-443", 443, "203.0.113.7/32")] });
    expectDone(await run(blockIp, fake, "203.0.113.7", { protocol: "tcp", port: 22 }));
    expect(idsOf(fake.rules)).toEqual(["sgr-443"]);
    fake.rules.push(tcp("sgr-range", 0, "203.0.113.7/32", { toPort: 1_024 }));
    const { result } = await run(blockIp, fake, "203.0.113.7", { protocol: "6", port: "22" });
    expect(result).toMatchObject({ error: "still_admitted", details: { still_admitted: [{ rule_id: "sgr-range" }] } });
    expect(result).toMatchObject({ isPartial: false });
  });

  test("reads every page before it says that nothing admits the address", async () => {
    const others = Array.from({ length: 6 }, (_, index) => tcp(`sgr-${index}`, 443, `198.51.100.${index}/32`));
    const fake = await start({ rules: [...others, tcp("sgr-last", 443, "203.0.113.7/32")], pageSize: 2 });
    expectDone(await run(blockIp, fake, "203.0.113.7"));
    expect(idsOf(fake.rules)).toEqual(idsOf(others));
  });

  test("twice is done once", async () => {
    const fake = await start({ rules: [tcp("sgr-1", 443, "203.0.113.7/32")] });
    expectDone(await run(blockIp, fake, "203.0.113.7"));
    const again = expectDone(await run(blockIp, fake, "203.0.113.7"));
    expect(again.details).toMatchObject({ already: true, revoked: [], added: [] });
    await rollBack(blockIp, fake, again.details);
    expect(fake.rules).toEqual([]);
  });

  test("goes on with the others where one rule went meanwhile", async () => {
    const rules = [tcp("sgr-1", 22, "203.0.113.7/32"), tcp("sgr-2", 443, "203.0.113.7/32")];
    const fake = await start({ rules, gone: ["sgr-1"] });
    const { details } = expectDone(await run(blockIp, fake, "203.0.113.7"));
    expect(details["revoked"]).toMatchObject([{ rule_id: "sgr-2" }]);
  });

  test("that is refused after some rules were revoked says which, so that they can be restored", async () => {
    const rules = [22, 80, 443].map((port) => tcp(`sgr-${port}`, port, "203.0.113.7/32"));
    const fake = await start({ rules, gone: ["sgr-80"], kept: ["sgr-443"] });
    const { result } = await run(blockIp, fake, "203.0.113.7");
    expect(result).toMatchObject({ status: "FAILED", error: "not_all_revoked", isPartial: true });
    expect(result?.details["revoked"]).toMatchObject([{ rule_id: "sgr-22" }]);
    expect(result?.summary).toContain("sgr-443 could not be revoked");
    await rollBack(blockIp, fake, result?.details ?? {});
    expect(fake.rules.map(({ fromPort }) => fromPort).toSorted()).toEqual([22, 443, 80]);
  });

  test("waits until EC2 shows the change, and else says that it was accepted only", async () => {
    const rules = [tcp("sgr-1", 443, "203.0.113.7/32")];
    const late = await start({ rules, staleLooks: 2 });
    expect(expectDone(await run(blockIp, late, "203.0.113.7")).completion).toBe("confirmed");
    const never = await start({ rules, staleLooks: 1_000 });
    expect(expectDone(await run(blockIp, never, "203.0.113.7")).completion).toBe("accepted");
    expect(never.calls.length).toBeLessThan(20);
  });

  test("does not take a group that is not there for one without rules", async () => {
    const fake = await start({ rules: [] });
    const other = withCredentials(fake, { aws_security_group_id: "sg-typo" });
    const { result } = await run(blockIp, other, "203.0.113.7");
    expect(result).toMatchObject({ status: "FAILED", error: "group_not_found", details: { sg_id: "sg-typo" } });
  });
});

describe("rolling back a block", () => {
  test("adds the very rules again, in the group of then", async () => {
    const rules = [
      tcp("sgr-1", 443, "203.0.113.7/32", { description: "office (old)", tags: { owner: "net", "a b": "<&>" } }),
      { id: "sgr-2", protocol: "icmp", fromPort: 8, toPort: -1, cidr: "203.0.113.7/32" },
      { id: "sgr-3", protocol: "-1", cidr: "203.0.113.7/32", description: "all" },
    ];
    const fake = await start({ rules });
    const { details } = expectDone(await run(blockIp, fake, "203.0.113.7"));
    expect(fake.rules).toEqual([]);
    const moved = withCredentials(fake, { aws_security_group_id: "sg-other" });
    await rollBack(blockIp, moved, details);
    const withoutId = ({ id: _id, ...rule }: FakeRule) => rule;
    expect(fake.rules.map(withoutId)).toEqual(rules.map(withoutId));
  });

  test("is done once where it is asked for twice, or where a rule is there again", async () => {
    const rules = [tcp("sgr-1", 443, "203.0.113.7/32"), tcp("sgr-2", 22, "203.0.113.7/32")];
    const fake = await start({ rules });
    const { details } = expectDone(await run(blockIp, fake, "203.0.113.7"));
    fake.rules.push(tcp("sgr-again", 443, "203.0.113.7/32"));
    expect((await rollBack(blockIp, fake, details)).details["restored"]).toHaveLength(1);
    expect((await rollBack(blockIp, fake, details)).details["restored"]).toHaveLength(0);
    expect(fake.rules.map(({ fromPort }) => fromPort)).toEqual([443, 22]);
  });
});

describe("allowing an address", () => {
  test("adds all traffic where nothing is said, and says so", async () => {
    const fake = await start({ rules: [] });
    const { warnings, details } = expectDone(await run(allowIp, fake, "203.0.113.0/24"));
    expect(fake.rules).toMatchObject([{ protocol: "-1", cidr: "203.0.113.0/24", description: "riposte req-1" }]);
    expect(warnings).toEqual([expect.stringContaining("all traffic")]);
    await rollBack(allowIp, fake, details);
    expect(fake.rules).toEqual([]);
  });

  test("that is allowed already is done, and its rollback takes nothing away", async () => {
    const fake = await start({ rules: [tcp("sgr-1", 443, "2001:db8::7/128")] });
    const params = { protocol: "tcp", port: 443 };
    const { details } = expectDone(await run(allowIp, fake, "2001:db8::7", params));
    expect(details).toMatchObject({ already: true, added: [] });
    await rollBack(allowIp, fake, details);
    expect(idsOf(fake.rules)).toEqual(["sgr-1"]);
  });
});

describe("a group that is a block list", () => {
  const params = { aws_group_is_blocklist: true };

  test("gets the rule when the address is blocked, and loses it when it is allowed", async () => {
    const fake = await start({ rules: [] });
    const { details } = expectDone(await run(blockIp, fake, "203.0.113.7", params));
    expect(fake.rules).toMatchObject([{ cidr: "203.0.113.7/32", protocol: "-1" }]);
    expect(expectDone(await run(blockIp, fake, "203.0.113.7", params)).details).toMatchObject({ already: true });
    expectDone(await run(allowIp, fake, "203.0.113.7", params));
    expect(fake.rules).toEqual([]);
    await rollBack(blockIp, fake, details);
    expect(fake.rules).toEqual([]);
  });

  test("says where a broader rule blocks the allowed address still", async () => {
    const fake = await start({ rules: [{ id: "sgr-wide", protocol: "-1", cidr: "203.0.113.0/24" }] });
    const { result } = await run(allowIp, fake, "203.0.113.7", params);
    expect(result).toMatchObject({
      status: "FAILED",
      error: "still_blocked",
      details: { still_blocked: [{ rule_id: "sgr-wide" }] },
    });
  });

  test.each([["yes"], [1], [{}]])("is never guessed from %j", (value) => {
    const request = { requestId: "req-1", target: "203.0.113.7", params: { aws_group_is_blocklist: value } };
    expect(blockIp.check?.(request)).toMatchObject({ error: "invalid_params" });
  });
});

describe("a request to AWS", () => {
  test.each<[string, JsonObject]>([
    ["a protocol that is none", { protocol: "tcp or udp" }],
    ["a port without a protocol", { port: 22 }],
    ["a port that is none", { protocol: "tcp", port: 70_000 }],
    ["a port that is no number", { protocol: "tcp", port: "22-25" }],
  ])("is refused with %s", (_what, params) => {
    for (const adapter of [blockIp, allowIp]) {
      const problem = adapter.check?.({ requestId: "req-1", target: "203.0.113.7", params });
      expect(problem).toMatchObject({ error: "invalid_params" });
    }
  });

  test("is previewed without a call", () => {
    const preview = blockIp.preview({ requestId: "req-1", target: "203.0.113.7", params: {} });
    expect(preview).toMatchObject({ cidr: "203.0.113.7/32", change: expect.stringContaining("revoked") });
    const inverse = blockIp.preview({
      requestId: "req-1",
      target: "203.0.113.7",
      params: { aws_group_is_blocklist: true },
    });
    expect(inverse).toMatchObject({ change: expect.stringContaining("added") });
  });
});
