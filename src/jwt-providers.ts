import { readFile } from "node:fs/promises";
import { z } from "zod";
import { type Config, ConfigError } from "./config.ts";
import { type JwtProvider, jwtAlgorithms } from "./tenancy/jwt-provider.ts";
import { isJwtShaped } from "./tenancy/verify-jwt.ts";

const text = z.string().min(1).max(2_048);
const dayInSeconds = 86_400;

/** As `URL.hostname` has it. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}

/** One provider, as a file has it; the variables of the environment make one of the same shape. */
const Provider = z
  .strictObject({
    issuer: text,
    audience: z.union([text.transform((one) => [one]), z.array(text)]).refine((list) => list.length > 0, "is missing"),
    jwksUrl: z
      .url({ protocol: /^https?$/, error: "must be a URL" })
      .transform((url) => new URL(url))
      .refine((url) => url.protocol === "https:" || isLoopback(url.hostname), "must begin with https://")
      .optional(),
    keys: z.string().min(1).optional(),
    algorithms: z
      .array(z.enum(jwtAlgorithms, `must be some of ${jwtAlgorithms.join(", ")}`))
      .min(1)
      .default(["RS256"]),
    tenant: text.optional(),
    tenantClaim: text.optional(),
    rolesClaim: text.default("roles"),
    roleMap: z.record(z.string(), text).optional(),
    nameClaims: z.array(text).default(["email", "preferred_username"]),
    clockToleranceSeconds: z.number().min(0).max(300, "must be at most 300").default(5),
    lifetimeMaxSeconds: z
      .number()
      .min(1)
      .max(30 * dayInSeconds, `must be at most ${30 * dayInSeconds}`)
      .default(dayInSeconds),
  })
  .superRefine(({ jwksUrl, keys, tenant, tenantClaim }, context) => {
    const issue = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    if ((jwksUrl === undefined) === (keys === undefined)) issue("jwksUrl", "give either this or the keys");
    if ((tenant === undefined) === (tenantClaim === undefined))
      issue("tenant", "give either this or the tenant's claim");
  });

/** How the variables of the environment are called that make one provider. */
const variables = {
  issuer: "JWT_ISSUER",
  audience: "JWT_AUDIENCE",
  jwksUrl: "JWT_JWKS_URL",
  keys: "JWT_KEYS",
  algorithms: "JWT_ALGORITHMS",
  tenant: "JWT_TENANT",
  tenantClaim: "JWT_TENANT_CLAIM",
  rolesClaim: "JWT_ROLES_CLAIM",
  roleMap: "JWT_ROLE_MAP",
  nameClaims: "JWT_NAME_CLAIMS",
  clockToleranceSeconds: "JWT_CLOCK_TOLERANCE_SECONDS",
  lifetimeMaxSeconds: "JWT_LIFETIME_MAX_SECONDS",
} as const satisfies Record<keyof z.infer<typeof Provider>, keyof Config>;

/**
 * Whose JWTs are believed, by the variables and by the file that `JWT_PROVIDERS` names.
 * @throws ConfigError with every mistake, and never a value.
 */
export async function readJwtProviders(config: Config): Promise<JwtProvider[]> {
  const given = Object.entries(variables).map(([field, name]) => [field, config[name]] as const);
  // Those that have no default.
  const isGiven = (["issuer", "audience", "jwksUrl", "keys", "tenant", "tenantClaim", "roleMap"] as const).some(
    (field) => config[variables[field]] !== undefined,
  );
  const ofVariables = isGiven
    ? parse(Object.fromEntries(given), (field) => variables[field as keyof typeof variables] ?? field)
    : undefined;
  const ofFile = config.JWT_PROVIDERS === undefined ? [] : await readProviders(config.JWT_PROVIDERS);
  const parsed = [...(ofVariables ? [ofVariables] : []), ...ofFile];
  if (new Set(parsed.map(({ issuer }) => issuer)).size < parsed.length) {
    throw new ConfigError("Cannot start: two identity providers have the same issuer.");
  }
  if (parsed.length > 0 && isJwtShaped(config.ADMIN_TOKEN ?? "")) {
    throw new ConfigError("Cannot start: ADMIN_TOKEN looks like a JWT, which is for identity providers to make.");
  }
  return Promise.all(parsed.map(providerOf));
}

function parse(given: unknown, nameOf: (field: string) => string): z.infer<typeof Provider> {
  const parsed = Provider.safeParse(given);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.map(({ path, message, code }) => {
    const name = nameOf(path.length > 0 ? String(path[0]) : "");
    return `  ${name}: ${code === "invalid_type" || code === "invalid_union" ? "is missing, or of the wrong type" : message}`;
  });
  throw new ConfigError(`Cannot start, the configuration of JWTs is wrong:\n${mistakes.join("\n")}`);
}

async function readProviders(path: string): Promise<z.infer<typeof Provider>[]> {
  let list: unknown;
  try {
    list = JSON.parse(await readFile(path, "utf8"));
  } catch {
    throw new ConfigError("Cannot start: JWT_PROVIDERS names no file that can be read as JSON.");
  }
  if (!Array.isArray(list)) throw new ConfigError("Cannot start: the file of JWT_PROVIDERS has to be a list.");
  return list.map((one, index) => parse(one, (field) => `JWT_PROVIDERS [${index}]${field && `.${field}`}`));
}

async function providerOf(parsed: z.infer<typeof Provider>): Promise<JwtProvider> {
  const { issuer, audience, algorithms, rolesClaim, roleMap, nameClaims, clockToleranceSeconds } = parsed;
  return {
    ...{ issuer, audience, algorithms, rolesClaim, nameClaims, clockToleranceSeconds },
    roleMap: roleMap && new Map(Object.entries(roleMap)),
    lifetimeSecondsMax: parsed.lifetimeMaxSeconds,
    keys: parsed.jwksUrl ? { jwksUrl: parsed.jwksUrl } : { pinned: await keysText(parsed.keys ?? "") },
    tenant: parsed.tenant === undefined ? { claim: parsed.tenantClaim ?? "" } : { name: parsed.tenant },
  };
}

/** The keys themselves, or the name of the file that has them. */
async function keysText(given: string): Promise<string> {
  // In a variable, line breaks are often written out.
  if (/^\s*(-----BEGIN|\{)/.test(given)) return given.replaceAll("\\n", "\n");
  return readFile(given, "utf8").catch(() => {
    throw new ConfigError("Cannot start: the pinned keys of an identity provider are in no file that can be read.");
  });
}
