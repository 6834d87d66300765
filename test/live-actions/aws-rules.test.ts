import { describe, expect, test } from "vitest";
import {
  type Rule,
  readProtocol,
  readSource,
  relationOf,
  ruleAsJson,
  ruleOfJson,
  type Traffic,
  trafficOf,
} from "../../src/live-actions/vendors/aws-rules.ts";

const rule = (cidr: string, traffic: Traffic = { protocol: "-1" }): Rule => ({
  id: "sgr-1",
  source: readSource(cidr),
  tags: {},
  ...traffic,
});
const tcp = (fromPort: number, toPort = fromPort): Traffic => ({ protocol: "tcp", fromPort, toPort });
const relation = (of: Rule, cidr: string, traffic: Traffic = { protocol: "-1" }) =>
  relationOf(of, { source: readSource(cidr)!, traffic });

describe("a target", () => {
  test.each([
    ["203.0.113.7", "203.0.113.7/32"],
    [" 203.0.113.7 ", "203.0.113.7/32"],
    ["203.0.113.7/32", "203.0.113.7/32"],
    ["203.0.113.0/24", "203.0.113.0/24"],
    ["100.68.0.18/18", "100.68.0.0/18"],
    ["255.255.255.255/1", "128.0.0.0/1"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:db8::7", "2001:db8::7/128"],
    ["2001:DB8:0:0:0:0:0:7", "2001:db8::7/128"],
    ["2001:db8:ffff::/33", "2001:db8:8000::/33"],
    ["::/0", "::/0"],
    ["::ffff:203.0.113.7", "203.0.113.7/32"],
    ["::ffff:203.0.113.0/120", "203.0.113.0/24"],
  ])("%s is the network %s", (text, cidr) => {
    expect(readSource(text)?.cidr).toBe(cidr);
  });

  test.each([
    ...["", "host-7", "203.0.113", "203.0.113.256", "203.0.113.07", "203.0.113.7/33", "203.0.113.7/-1", "203.0.113.7/"],
    ...[
      "203.0.113.7/24/8",
      "203.0.113.7,0.0.0.0/0",
      "203.0.113.7 0.0.0.0/0",
      "[::1]",
      "fe80::1%eth0",
      "::1/129",
      "1:2",
    ],
    ...["0x7f.1", "2130706433", "203.0.113.7&CidrIp=0.0.0.0/0", "２０３.0.113.7"],
  ])("%j is none", (text) => {
    expect(readSource(text)).toBeUndefined();
  });
});

describe("a rule", () => {
  test.each([
    ["203.0.113.7/32", "203.0.113.7", "inside"],
    ["203.0.113.7/32", "203.0.113.0/24", "inside"],
    ["203.0.113.0/24", "203.0.113.7", "across"],
    ["0.0.0.0/0", "203.0.113.7", "across"],
    ["203.0.113.8/32", "203.0.113.7", "apart"],
    ["203.0.112.0/24", "203.0.113.7", "apart"],
    ["::/0", "203.0.113.7", "apart"],
    ["0.0.0.0/0", "2001:db8::7", "apart"],
    ["2001:db8::7/128", "2001:db8::/64", "inside"],
    ["2001:db8::/32", "2001:db8::/64", "across"],
  ])("for %s lies to %s: %s", (cidr, target, expected) => {
    expect(relation(rule(cidr), target)).toBe(expected);
  });

  test.each<[string, Traffic, Traffic, string]>([
    ["one port of all traffic", tcp(443), { protocol: "-1" }, "inside"],
    ["all traffic of one port", { protocol: "-1" }, tcp(443), "across"],
    ["a port of that port", tcp(443), tcp(443), "inside"],
    ["a range of one port in it", tcp(0, 65_535), tcp(443), "across"],
    ["a range of one port at its end", tcp(400, 443), tcp(443), "across"],
    ["another port", tcp(80), tcp(443), "apart"],
    ["another protocol", { ...tcp(443), protocol: "udp" }, tcp(443), "apart"],
    ["every port of a protocol", tcp(0, 65_535), trafficOf("tcp", -1), "inside"],
    ["one type of ICMP", { protocol: "icmp", fromPort: 8, toPort: -1 }, trafficOf("icmp", -1), "inside"],
    [
      "all of ICMP",
      { protocol: "icmp", fromPort: -1, toPort: -1 },
      { protocol: "icmp", fromPort: 8, toPort: 0 },
      "across",
    ],
    [
      "another type of ICMP",
      { protocol: "icmp", fromPort: 3, toPort: 1 },
      { protocol: "icmp", fromPort: 8, toPort: 0 },
      "apart",
    ],
    ["a protocol without ports", { protocol: "50" }, trafficOf("50", -1), "inside"],
  ])("for %s", (_what, of, traffic, expected) => {
    expect(relation(rule("203.0.113.7/32", of), "203.0.113.7", traffic)).toBe(expected);
  });

  test("for a prefix list goes across where one of its networks meets the target, and is never inside", () => {
    const listed: Rule = { id: "sgr-1", prefixListId: "pl-1", tags: {}, ...tcp(443) };
    const to = (traffic: Traffic, ...cidrs: string[]) =>
      relationOf(
        listed,
        { source: readSource("203.0.113.7")!, traffic },
        cidrs.map((cidr) => readSource(cidr)!),
      );
    expect(to({ protocol: "-1" }, "198.51.100.0/24", "203.0.113.7/32")).toBe("across");
    expect(to({ protocol: "-1" }, "198.51.100.0/24")).toBe("apart");
    expect(to(tcp(22), "203.0.113.7/32")).toBe("apart");
  });

  test("is kept in details so that it can be read again", () => {
    const full: Rule = { ...rule("2001:db8::/64", tcp(1, 9)), description: "from HQ", tags: { owner: "net" } };
    const kept = JSON.parse(JSON.stringify(ruleAsJson(full)));
    expect(ruleOfJson(kept)).toEqual(full);
    const least = rule("203.0.113.7/32");
    expect(ruleOfJson(JSON.parse(JSON.stringify(ruleAsJson(least))))).toMatchObject(least);
  });

  test.each([
    [null],
    ["sgr-1"],
    [{}],
    [{ rule_id: "sgr-1", protocol: "tcp" }],
    [{ rule_id: "sgr-1", protocol: "tcp", cidr: "x" }],
  ])("is not read from %j", (value) => {
    expect(ruleOfJson(value)).toBeUndefined();
  });
});

describe("a protocol", () => {
  test.each([
    ["TCP", "tcp"],
    ["6", "tcp"],
    [17, "udp"],
    ["all", "-1"],
    [-1, "-1"],
    ["58", "icmpv6"],
    [50, "50"],
    ["300", undefined],
    ["tcp udp", undefined],
    ["", undefined],
  ])("written %j is %s", (value, expected) => {
    expect(readProtocol(value)).toBe(expected);
  });
});
