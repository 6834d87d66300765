import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { exportSPKI, generateKeyPair } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError, readConfig } from "../src/config.ts";
import { readJwtProviders } from "../src/jwt-providers.ts";

const read = (environment: Record<string, string>) => readJwtProviders(readConfig(environment));
const keycloak = {
  JWT_ISSUER: "https://sso.example/realms/soc",
  JWT_AUDIENCE: "riposte",
  JWT_JWKS_URL: "https://sso.example/realms/soc/protocol/openid-connect/certs",
  JWT_TENANT: "default",
};

let directory: string;
let pem: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "riposte-jwt-"));
  pem = await exportSPKI((await generateKeyPair("ES256")).publicKey);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function fileOf(text: string): Promise<string> {
  const file = path.join(directory, crypto.randomUUID());
  await writeFile(file, text);
  return file;
}

describe("the identity providers", () => {
  test("are none unless some are configured", async () => {
    expect(await read({})).toEqual([]);
    expect(await read({ JWT_ALGORITHMS: "ES256", JWT_ROLES_CLAIM: "groups" })).toEqual([]);
  });

  test("are one by the variables, with defaults for what need not be said", async () => {
    expect(await read(keycloak)).toEqual([
      {
        issuer: "https://sso.example/realms/soc",
        audience: ["riposte"],
        algorithms: ["RS256"],
        keys: { jwksUrl: new URL(keycloak.JWT_JWKS_URL) },
        tenant: { name: "default" },
        rolesClaim: "roles",
        roleMap: undefined,
        nameClaims: ["email", "preferred_username"],
        clockToleranceSeconds: 5,
        lifetimeSecondsMax: 86_400,
      },
    ]);
  });

  test("have their roles mapped by name, blanks and signs included", async () => {
    const [provider] = await read({
      ...keycloak,
      JWT_ROLE_MAP: "SOC Analysts=operator, cn=leads,\n x = y=security_lead",
    });
    expect(provider?.roleMap).toEqual(
      new Map([
        ["SOC Analysts", "operator"],
        ["cn", "leads"],
        ["x = y", "security_lead"],
      ]),
    );
  });

  test("may have their keys pinned, in the variable or in a file", async () => {
    const { JWT_JWKS_URL: _, ...rest } = keycloak;
    const [inline] = await read({ ...rest, JWT_KEYS: pem.replaceAll("\n", "\\n") });
    const [inFile] = await read({ ...rest, JWT_KEYS: await fileOf(pem) });
    expect([inline?.keys, inFile?.keys]).toEqual([{ pinned: pem }, { pinned: pem }]);
    await expect(read({ ...rest, JWT_KEYS: "/nowhere/at-all.pem" })).rejects.toThrow(ConfigError);
  });

  test("are more by a file, beside the one of the variables", async () => {
    const other = {
      issuer: "https://b.example",
      audience: "riposte",
      jwksUrl: "https://b.example/keys",
      tenantClaim: "org",
    };
    const providers = await read({ ...keycloak, JWT_PROVIDERS: await fileOf(JSON.stringify([other])) });
    expect(providers.map(({ issuer, tenant }) => [issuer, tenant])).toEqual([
      [keycloak.JWT_ISSUER, { name: "default" }],
      ["https://b.example", { claim: "org" }],
    ]);
    const twice = read({ JWT_PROVIDERS: await fileOf(JSON.stringify([other, other])) });
    await expect(twice).rejects.toThrow("the same issuer");
  });

  test.each([
    [{ JWT_AUDIENCE: "" }, "JWT_AUDIENCE: is missing"],
    [{ JWT_ISSUER: "" }, "JWT_ISSUER: is missing"],
    [{ JWT_JWKS_URL: "" }, "JWT_JWKS_URL: give either"],
    [{ JWT_KEYS: "{}" }, "JWT_JWKS_URL: give either"],
    [{ JWT_JWKS_URL: "http://sso.example/certs" }, "JWT_JWKS_URL: must begin with https://"],
    [{ JWT_JWKS_URL: "http://127.0.0.1.evil.example/certs" }, "JWT_JWKS_URL: must begin with https://"],
    [{ JWT_JWKS_URL: "file:///etc/passwd" }, "JWT_JWKS_URL: must be a URL"],
    [{ JWT_TENANT: "" }, "JWT_TENANT: give either"],
    [{ JWT_TENANT_CLAIM: "org" }, "JWT_TENANT: give either"],
    [{ JWT_ALGORITHMS: "RS256, HS256" }, "JWT_ALGORITHMS: must be some of"],
    [{ JWT_ALGORITHMS: "none" }, "JWT_ALGORITHMS: must be some of"],
  ])("with %j are refused: %s", async (wrong, message) => {
    const refused = read({ ...keycloak, ...wrong });
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(`\n  ${message}`);
  });

  test("on loopback may publish their keys without TLS", async () => {
    for (const host of ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"]) {
      expect(await read({ ...keycloak, JWT_JWKS_URL: `http://${host}/certs` })).toHaveLength(1);
    }
  });

  test("leave no doubt whether the first admin's token is one of theirs", async () => {
    const ADMIN_TOKEN = "eyJhbGciOiJub25lIn0.e30.";
    await expect(read({ ...keycloak, ADMIN_TOKEN })).rejects.toThrow("ADMIN_TOKEN looks like a JWT");
    expect(await read({ ADMIN_TOKEN })).toEqual([]);
  });

  test("in a file are refused with the place of each mistake", async () => {
    const file = await fileOf(JSON.stringify([{ issuer: "a", audience: [], hunter2: "hunter3" }]));
    const refused = read({ JWT_PROVIDERS: file });
    await expect(refused).rejects.toThrow(/JWT_PROVIDERS \[0\]/);
    await expect(refused).rejects.not.toThrow("hunter3");
    await expect(read({ JWT_PROVIDERS: await fileOf("{}") })).rejects.toThrow("has to be a list");
    await expect(read({ JWT_PROVIDERS: "/nowhere.json" })).rejects.toThrow("no file");
  });
});

describe("the examples of docs/identity.md", () => {
  const page = readFileSync(new URL("../docs/identity.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language, text = ""]) => ({ language, text }));

  test("set providers up as they stand", async () => {
    const shown = blocks.filter(({ language }) => language === "sh");
    expect(shown).toHaveLength(2);
    for (const { text } of shown) {
      const environment = Object.fromEntries(
        text
          .trim()
          .split("\n")
          .map((row) => row.split(/=(.*)/s).slice(0, 2)),
      );
      expect(await read(environment)).toMatchObject([{ tenant: { name: "default" }, algorithms: ["RS256"] }]);
    }
  });

  test("set several up by a file", async () => {
    const [shown] = blocks.filter(({ language }) => language === "json");
    const [provider] = await read({ JWT_PROVIDERS: await fileOf(shown?.text ?? "") });
    expect(provider).toMatchObject({ tenant: { name: "customer" }, lifetimeSecondsMax: 3_600 });
    expect(provider?.roleMap?.get("soc-lead")).toBe("security_lead");
  });
});
