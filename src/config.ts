import { z } from "zod";
import { limits } from "./core/limits.ts";

/** `a, b c` → `["a", "b", "c"]`: how lists stand in a variable. */
const list = z
  .string()
  .default("")
  .transform((text) => text.split(/[\s,]+/).filter((item) => item !== ""));

/** An empty variable is one that was not set: that is how compose files leave them out. */
const optional = z.string().min(1).optional();

const Environment = z.object({
  PORT: z
    .string()
    .trim()
    .regex(/^\d+$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().max(65_535, "must be at most 65535"))
    .default(4_000)
    .describe("Port of the API; 0 takes any free one."),
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
    .describe("The first admin's token, instead of a generated one."),
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
  const parsed = Environment.safeParse(given);
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
