import { z } from "zod";
import type { Json, JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { impacts } from "./adapter.ts";

// All that passes between the server and a plugin's thread is JSON text: nothing of one reaches into the other.

export type PluginMethod = "execute" | "preview" | "rollback";

/** What a plugin is asked. */
export interface PluginQuestion {
  readonly vendorId: string;
  readonly capability: string;
  readonly method: PluginMethod;
  /** As its method gets it, but for the signal. */
  readonly request: JsonObject;
  /** What is to be undone. */
  readonly result?: JsonObject;
}

/** What the server says to a thread. */
export type ToPlugin =
  | ({ readonly type: "call"; readonly id: number } & PluginQuestion)
  | { readonly type: "abort"; readonly id: number }
  /** Answered by a thread whose event loop turns. */
  | { readonly type: "ping" };

const name = z.string({ error: "is missing" }).regex(/^[a-z][a-z0-9_]{0,127}$/, {
  error: ({ input }) => (input === "" ? "is empty" : `is ${JSON.stringify(input)}, which is not lower_snake`),
});

const CredentialDeclaration = z.object({
  name,
  isRequired: z.union([z.boolean(), z.object({ group: z.union([z.string(), z.array(z.string())]) })]).default(true),
  isSecret: z.boolean().default(true),
  description: z.string().max(limits.textLengthMax).default(""),
});

const Declaration = z.object({
  vendorId: name,
  capability: name,
  description: z
    .string({ error: "is missing" })
    .max(limits.textLengthMax)
    .refine((text) => text.trim() !== "", "is empty"),
  requiresCredentials: z.boolean().optional(),
  credentialParams: z
    .array(z.union([name.transform((text) => CredentialDeclaration.parse({ name: text })), CredentialDeclaration]))
    .max(limits.parametersMax)
    .default([]),
  impact: z.enum(impacts, { error: `is not one of ${impacts.join(", ")}` }).optional(),
  reversedBy: name.optional(),
  isIdempotent: z.boolean().default(false),
  costPerCall: z.number().min(0).max(limits.policyAmountMax).optional(),
  timeoutMs: z.number().int().min(1).max(limits.pluginTimeoutMsMax).default(limits.pluginTimeoutMsDefault),
  hasPreview: z.boolean(),
  hasRollback: z.boolean(),
});

/** An executor as its plugin registered it. */
export type PluginDeclaration = z.infer<typeof Declaration>;

const id = z.number().int();
const FromPluginMessage = z.discriminatedUnion("type", [
  /** `setup` has ended. */
  z.object({ type: z.literal("ready"), executors: z.array(z.unknown()).max(limits.pluginPairsMax) }),
  z.object({ type: z.literal("broken"), problem: z.string() }),
  z.object({ type: z.literal("answer"), id, value: z.unknown() }),
  /** The answer is no plain JSON. */
  z.object({ type: z.literal("invalid"), id, problem: z.string() }),
  z.object({ type: z.literal("threw"), id, name: z.string(), message: z.string(), code: z.string().optional() }),
  z.object({ type: z.literal("pong") }),
]);

/** What a thread says to the server. */
export type FromPlugin = z.infer<typeof FromPluginMessage>;

/** What a thread said; undefined for what is none of ours, which a plugin can send as well. */
export function readFromPlugin(message: unknown): FromPlugin | undefined {
  if (typeof message !== "string" || message.length > limits.pluginMessageLengthMax) return undefined;
  try {
    return FromPluginMessage.safeParse(JSON.parse(message)).data;
  } catch {
    return undefined;
  }
}

/** What an executor says about itself, or all that is wrong with it. */
export function readDeclaration(value: unknown): PluginDeclaration | { readonly problem: string } {
  const { success, data, error } = Declaration.safeParse(value);
  if (success) return data;
  const problems = error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
  const { vendorId, capability } = (value ?? {}) as Record<string, Json>;
  return { problem: `the executor ${text(vendorId)}/${text(capability)}: ${problems.join("; ")}.` };
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value.slice(0, limits.nameLengthMax) : "?";
}
