import { z } from "zod";
import { limits } from "./core/limits.ts";

/** `a, b c` → `["a", "b", "c"]`: how lists stand in a variable. */
const list = z
  .string()
  .default("")
  .transform((text) => text.split(/[\s,]+/).filter((item) => item !== ""));

/** An empty variable is one that was not set: that is how compose files leave them out. */
const optional = z.string().min(1).optional();

/** A list that is not there at all where the variable is empty. */
const optionalList = list.transform((items) => (items.length > 0 ? items : undefined));

/** `SOC Analysts=operator, Leads=security_lead` → an object. Names may hold blanks and `=`. */
const roleMap = z
  .string()
  .transform((text) => text.split(/[,\n]/).filter((entry) => entry.trim() !== ""))
  .refine((entries) => entries.every((entry) => /^.*\S\s*=\s*\S+\s*$/.test(entry)), "must be a list of theirs=ours")
  .transform((entries) => {
    const pairs = entries.map((entry) => {
      const at = entry.lastIndexOf("=");
      return [entry.slice(0, at).trim(), entry.slice(at + 1).trim()];
    });
    return Object.fromEntries(pairs) as Record<string, string>;
  })
  .optional();

/** A whole number, as text. */
function wholeNumber(max: number) {
  return z
    .string()
    .trim()
    .regex(/^\d+$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().max(max, `must be at most ${max}`));
}

const Environment = z.object({
  PORT: wholeNumber(65_535).default(4_000).describe("Port of the API; 0 takes any free one."),
  HOST: z.string().min(1).default("127.0.0.1").describe("Address to listen on; 0.0.0.0 for all."),
  DATA_DIR: z
    .string()
    .min(1)
    .default(".riposte")
    .describe("Directory of the embedded database and the generated keys."),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: "must be a URL such as postgres://user:password@host:5432/database" })
    .optional()
    .describe("PostgreSQL to use instead of the embedded one."),
  ADMIN_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]+$/, "must have visible ASCII characters only, and no blanks")
    .max(limits.tokenLengthMax, `must have at most ${limits.tokenLengthMax} characters`)
    .optional()
    .describe(
      "An admin's token of the first tenant, instead of a generated one; also at a later start, where that was lost.",
    ),
  JWT_ISSUER: optional.describe(
    "Identity provider whose JWTs are taken besides API tokens: exactly its `iss`. See docs/identity.md for all of these.",
  ),
  JWT_AUDIENCE: optionalList.describe("What has to be in the `aud` of a JWT; any one of a list."),
  JWT_JWKS_URL: optional.describe("Where the provider publishes its keys; https, or http on loopback."),
  JWT_KEYS: optional.describe("Its keys instead: PEM, a JWK or a JWK Set, or the path of a file with one of these."),
  JWT_ALGORITHMS: list
    .transform((names) => (names.length > 0 ? names : ["RS256"]))
    .describe("What it signs with, such as RS256 (which is the default), PS256, ES256 or EdDSA."),
  JWT_TENANT: optional.describe("The tenant of all its people, by name or id."),
  JWT_TENANT_CLAIM: optional.describe("Instead, the claim that names the tenant of each."),
  JWT_ROLES_CLAIM: z
    .string()
    .min(1)
    .default("roles")
    .describe("The claim with the roles, as a dotted path such as realm_access.roles."),
  JWT_ROLE_MAP: roleMap.describe(
    "The provider's roles to ours, as in `SOC Analysts=operator, Leads=security_lead`; with it, others count for nothing.",
  ),
  JWT_NAME_CLAIMS: list
    .transform((names) => (names.length > 0 ? names : ["email", "preferred_username"]))
    .describe("What people are called by: the first of these that is there; email and preferred_username by default."),
  JWT_CLOCK_TOLERANCE_SECONDS: wholeNumber(300)
    .default(5)
    .describe("By how much the provider's clock may be ahead of ours."),
  JWT_LIFETIME_MAX_SECONDS: wholeNumber(2_592_000)
    .default(86_400)
    .describe("Longest life of a JWT; one that was issued for longer is refused."),
  JWT_PROVIDERS: optional.describe("A JSON file with further identity providers."),
  RATE_LIMIT_PER_MINUTE: wholeNumber(1_000_000_000)
    .default(600_000)
    .describe("Operations of one caller a minute on each node; 0 for no limit."),
  RATE_LIMIT_BURST: wholeNumber(1_000_000_000)
    .optional()
    .describe("How many of them may come at once; a tenth of them by default."),
  TRUSTED_PROXIES: list.describe("Addresses and CIDRs of proxies whose X-Forwarded-For tells where callers are."),
  SECRETS_KEY: optional.describe(
    "Key that stored secrets are encrypted with: 32 bytes in base64. Else one is generated in DATA_DIR.",
  ),
  EGRESS_ALLOW: list.describe(
    "Hosts and CIDRs that actions may reach although they would be refused, such as 127.0.0.1/32; with :port for that port only.",
  ),
  EGRESS_DENY: list.describe("Hosts and CIDRs that actions may never reach."),
  EGRESS_PRIVATE: z
    .enum(["allow", "deny"])
    .default("allow")
    .describe("Whether actions may reach private address ranges."),
  LOCAL_ISOLATION: z
    .enum(["auto", "required", "preferred", "off"])
    .default("auto")
    .describe(
      "Isolation of local scripts: required refuses them where the host has none, preferred runs them all the same, off never isolates; auto is required with DATABASE_URL, else preferred.",
    ),
  LOCAL_NETWORK: z
    .enum(["host", "none"])
    .default("host")
    .describe(
      "Network of local scripts: host is that of the server, none is none at all; with none a host that can't isolate scripts does not start.",
    ),
  LOCAL_PATHS: list.describe("Further paths of the host that isolated scripts may read, such as /opt/tools."),
  LOG_LEVEL: z
    .enum(["debug", "info", "warn", "error", "silent"])
    .default("info")
    .describe("What goes to the log on stderr."),
  INTROSPECTION: z
    .enum(["on", "off"])
    .default("on")
    .describe("Whether clients may ask for the schema; off also hides suggestions."),
  ALLOWED_ORIGINS: list.describe(
    "Origins of web pages elsewhere that may call the API, such as https://console.example; * for all.",
  ),
  PLUGINS: list.describe("Modules with further live actions: paths of files, or names of packages."),
});

const Settings = Environment.refine(
  ({ LOCAL_ISOLATION, LOCAL_NETWORK }) => LOCAL_NETWORK === "host" || LOCAL_ISOLATION !== "off",
  {
    path: ["LOCAL_NETWORK"],
    // Also beside other mistakes.
    when: () => true,
    error: "can only be none where scripts are isolated: leave LOCAL_ISOLATION=off out",
  },
);

export type Config = Readonly<z.infer<typeof Environment>>;

/** The environment does not make a configuration. The message tells every mistake, one a line, and never a value. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** The only reader of the environment. @throws ConfigError with every mistake at once. */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const given = Object.fromEntries(
    Object.keys(Environment.shape)
      .map((name) => [name, environment[name]] as const)
      .filter(([, value]) => value !== undefined && value.trim() !== ""),
  );
  const parsed = Settings.safeParse(given);
  if (parsed.success) return Object.freeze(parsed.data);
  const mistakes = parsed.error.issues.map(({ path, message }) => `  ${path.join(".")}: ${message}`);
  throw new ConfigError(`Cannot start, the configuration is wrong:\n${mistakes.join("\n")}`);
}

/** Whether `npm start` is our parent, or its shell: then we end with it. */
export function wasStartedByNpm(): boolean {
  return process.env["npm_lifecycle_event"] !== undefined;
}

/** Every variable with its default and meaning, as rows of a Markdown table: the README's comes from here. */
export function describeConfig(): string {
  const defaults = Environment.parse({}) as Record<string, unknown>;
  const rows = Object.entries(Environment.shape).map(([name, field]) => {
    const value = defaults[name];
    const shown = Array.isArray(value) || value === undefined ? "" : `\`${value}\``;
    return `| \`${name}\` | ${shown} | ${field.description ?? ""} |`;
  });
  return ["| variable | default | meaning |", "|---|---|---|", ...rows].join("\n");
}
