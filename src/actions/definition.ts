import type { Json, JsonObject } from "../core/json.ts";

export const actionTypeWords = ["remediation", "enrichment", "notification", "investigation", "containment"] as const;
export const parameterTypeWords = ["string", "integer", "boolean", "enum", "secret"] as const;
export const executorTypeWords = ["local", "remote", "opservant"] as const;
export const methodWords = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

export type ParameterType = (typeof parameterTypeWords)[number];

/** The rules of a parameter's values; which of them a type knows is in `check-parameters.ts`. */
export interface ParameterValidation {
  readonly pattern?: string;
  /** Unicode code points, as in JSON Schema. */
  readonly min_length?: number;
  readonly max_length?: number;
  readonly min?: number;
  readonly max?: number;
  readonly allowed_values?: readonly string[];
}

export interface ParameterDefinition {
  readonly name: string;
  readonly label?: string;
  readonly type: ParameterType;
  readonly required?: boolean;
  /** Null is as good as left out. */
  readonly default?: Json;
  readonly description?: string;
  readonly validation?: ParameterValidation;
}

/** A secret of the tenant's credential store, by its name. */
export type SecretReference = { readonly $secret: string };

export interface ExecutorDefinition {
  readonly type: (typeof executorTypeWords)[number];
  /** A path in the package, a URL, or an agent's id. */
  readonly target: string;
  /** Remote only; POST when left out. */
  readonly method?: (typeof methodWords)[number];
  /** Texts with templates, or secrets of the credential store. */
  readonly headers?: Readonly<Record<string, string | SecretReference>>;
  /** Opservant only: the script of the package that the agent runs; by default its only file. */
  readonly entry?: string;
}

/** An action definition as its author wrote it and `checkDefinition` has accepted it. @see S4E action schema */
export interface ActionDefinition {
  readonly id?: string;
  readonly name: string;
  readonly version: string;
  readonly type: (typeof actionTypeWords)[number];
  readonly description: string;
  readonly parameters: readonly ParameterDefinition[];
  readonly executor: ExecutorDefinition;
  readonly tags?: readonly string[];
  readonly enabled?: boolean;
  readonly timeout_seconds?: number;
  readonly retry?: { readonly max_attempts?: number; readonly backoff_seconds?: number };
  readonly conditions?: JsonObject;
  readonly input_mapping?: JsonObject;
  readonly output_mapping?: Readonly<Record<string, string>>;
  readonly on_interrupt?: "retry" | "fail";
}

/** The secret reference `{"$secret": "name"}`: the name, or undefined for any other value. */
export function secretReference(value: Json | undefined): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const keys = Object.keys(value);
  const name = (value as JsonObject)["$secret"];
  return keys.length === 1 && keys[0] === "$secret" && typeof name === "string" ? name : undefined;
}
