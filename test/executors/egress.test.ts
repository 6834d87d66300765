import { describe, expect, test } from "vitest";
import { createEgressPolicy, EgressRefused, type EgressRules } from "../../src/executors/egress.ts";

const answers: Record<string, readonly string[]> = {
  "public.example": ["93.184.216.34"],
  "mixed.example": ["93.184.216.34", "10.0.0.1"],
  "mixed-metadata.example": ["93.184.216.34", "169.254.169.254"],
  "private.example": ["10.1.2.3"],
  "loop.example": ["127.0.0.1"],
  localhost: ["127.0.0.1", "::1"],
  "db.internal": ["10.9.9.9"],
};

function policy(rules: Partial<EgressRules> = {}) {
  return createEgressPolicy({
    allow: [],
    deny: [],
    private: "allow",
    resolve: async (name) => answers[name] ?? [],
    ...rules,
  });
}

/** As a target's URL gives it. */
function hostOf(url: string): string {
  return new URL(url).hostname;
}

async function isRefused(host: string, rules: Partial<EgressRules> = {}, port = 443): Promise<boolean> {
  try {
    await policy(rules).resolve(host, port);
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(EgressRefused);
    return true;
  }
}

const everything = { allow: ["0.0.0.0/0", "::/0", "*.internal", "metadata.google.internal"] };

describe("the egress policy", () => {
  test.each([
    "http://169.254.169.254/",
    "http://169.254.169.254./",
    "http://2852039166/",
    "http://0xA9FEA9FE/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://0xa9.254.0251.0xfe/",
    "http://１６９.２５４.１６９.２５４/",
    "http://①⑥⑨.254.169.254/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::169.254.169.254]/",
    "http://[::ffff:0:a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:5ef5:79fd::1]/",
    "http://[2a00::5efe:a9fe:a9fe]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://168.63.129.16/",
    "http://metadata.google.internal/",
    "http://METADATA.google.internal./",
    "http://0.0.0.0/",
    "http://0/",
    "http://[::]/",
    "http://[::ffff:0.0.0.0]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[ff02::1]/",
  ])("refuses %s, whatever is configured", async (url) => {
    expect(await isRefused(hostOf(url), everything)).toBe(true);
  });

  test.each([
    "http://127.0.0.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://127.1/",
    "http://127.9.9.9./",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://loop.example/",
  ])("refuses loopback as %s unless it is allowed", async (url) => {
    expect(await isRefused(hostOf(url))).toBe(true);
    expect(await isRefused(hostOf(url), { allow: ["127.0.0.0/8", "::1", "::ffff:0:0/96", "64:ff9b::/96"] })).toBe(
      false,
    );
  });

  test("lets a name allow loopback only where it is a localhost name", async () => {
    expect(await isRefused("localhost", { allow: ["localhost"] })).toBe(false);
    expect(await isRefused("loop.example", { allow: ["loop.example"] })).toBe(true);
  });

  test("allows private addresses unless told to deny them, and then what is named", async () => {
    const hosts = ["private.example", "10.1.2.3", "[fc00::1]", "172.31.0.1", "192.168.0.1", "100.64.0.1"];
    for (const host of hosts) {
      expect([host, await isRefused(host), await isRefused(host, { private: "deny" })]).toEqual([host, false, true]);
    }
    expect(await isRefused("private.example", { private: "deny", allow: ["private.example"] })).toBe(false);
    expect(await isRefused("private.example", { private: "deny", allow: ["*.example"] })).toBe(false);
    expect(await isRefused("private.example", { private: "deny", allow: ["10.1.0.0/16"] })).toBe(false);
    expect(await isRefused("private.example", { private: "deny", allow: ["10.2.0.0/16", "other.example"] })).toBe(true);
  });

  test("refuses an answer of which one address is refused", async () => {
    expect(await isRefused("mixed-metadata.example")).toBe(true);
    expect(await isRefused("mixed.example")).toBe(false);
    expect(await isRefused("mixed.example", { private: "deny" })).toBe(true);
  });

  test("refuses what is denied by name or network, also where it is allowed", async () => {
    const allow = ["public.example", "93.184.216.34"];
    expect(await isRefused("public.example", { allow })).toBe(false);
    expect(await isRefused("public.example", { allow, deny: ["public.example"] })).toBe(true);
    expect(await isRefused("PUBLIC.example.", { allow, deny: ["*.example"] })).toBe(true);
    expect(await isRefused("public.example", { allow, deny: ["93.184.0.0/16"] })).toBe(true);
  });

  test("refuses the server's own database at its port, by name and by address", async () => {
    const databaseAddress = { host: "db.internal", port: 5432 };
    expect(await isRefused("db.internal", { databaseAddress }, 5432)).toBe(true);
    expect(await isRefused("10.9.9.9", { databaseAddress }, 5432)).toBe(true);
    expect(await isRefused("[::ffff:10.9.9.9]", { databaseAddress }, 5432)).toBe(true);
    expect(await isRefused("10.9.9.9", { databaseAddress }, 443)).toBe(false);
    expect(await isRefused("10.9.9.9", { databaseAddress, allow: ["10.9.9.9"] }, 5432)).toBe(false);
  });

  test("checks the address that a socket is connected to", async () => {
    await expect(policy().checkConnected("public.example", "127.0.0.1", 80)).rejects.toThrow(EgressRefused);
    await expect(policy().checkConnected("public.example", undefined, 80)).rejects.toThrow(EgressRefused);
    await expect(policy().checkConnected("public.example", "93.184.216.34", 80)).resolves.toBeUndefined();
  });

  test("lets an entry count for one port only", async () => {
    const allow = ["127.0.0.1:4199", "[::1]:4199", "localhost:4199"];
    for (const host of ["127.0.0.1", "[::1]", "localhost"]) {
      expect([host, await isRefused(host, { allow }, 4199)]).toEqual([host, false]);
      expect([host, await isRefused(host, { allow }, 4000)]).toEqual([host, true]);
    }
    await expect(policy({ allow }).checkConnected("127.0.0.1", "127.0.0.1", 4000)).rejects.toThrow(EgressRefused);
    for (const deny of ["public.example:443", "93.184.0.0/16:443"]) {
      expect(await isRefused("public.example", { deny: [deny] }, 443)).toBe(true);
      expect(await isRefused("public.example", { deny: [deny] }, 8443)).toBe(false);
    }
  });

  test("does not start with an entry that it cannot read", () => {
    for (const entry of [
      "127.0.0.1:0",
      "127.0.0.1:70000",
      "a.example:http",
      ":80",
      "10.0.0.0/33",
      "http://a.example",
      "a b",
      "10.0.0.0/8/8",
      "/8",
    ]) {
      expect(() => policy({ allow: [entry] })).toThrow(entry);
    }
  });
});
