import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { createMask } from "../secrets/mask.ts";
import type { Adapter, AdapterCall, AdapterRequest, AdapterResult, CredentialParam } from "./adapter.ts";
import { capabilities } from "./capabilities.ts";
import { partial } from "./dispatch-result.ts";
import type { PluginDeclaration, PluginQuestion } from "./plugin-messages.ts";

/** Why a plugin could not be asked, or what it answered is none; `code` is a stable one. */
export class PluginError extends Error {
  override readonly name = "PluginError";
  readonly code: "plugin_ended" | "plugin_unavailable" | "plugin_timeout" | "plugin_answer_invalid";
  constructor(code: PluginError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

interface AskOptions {
  readonly signal: AbortSignal;
  /** What it is handed that nobody may see. */
  readonly secrets: readonly string[];
}

/** Asks a plugin. @throws PluginError; what the plugin threw, under the name it has there; the signal's reason. */
export type AskPlugin = (question: PluginQuestion, options: AskOptions) => Promise<Json>;

/** An adapter whose calls a plugin answers. */
export function adapterOf(declared: PluginDeclaration, ask: AskPlugin): Adapter {
  const { vendorId, capability, description, isIdempotent, timeoutMs, costPerCall } = declared;
  const pair = { vendorId, capability };
  const credentials = credentialsOf(declared);
  const perform = async (method: "execute" | "rollback", call: AdapterCall, result?: JsonObject) => {
    const { signal, http: _http, credentials: own, ...request } = call;
    const secrets = credentials.flatMap(({ name, isSecret }) => (isSecret ? (own[name] ?? []) : []));
    const question = { ...pair, method, request: { ...plain(request), ...pair, credentials: { ...own } } };
    const answer = ask({ ...question, ...(result && { result }) }, { signal, secrets });
    return resultOf(await answer.catch((error: unknown) => Promise.reject(shortened(error, secrets))), call, pair);
  };
  return {
    ...{ ...pair, description, credentials, isIdempotent, timeoutMs },
    impact: declared.impact ?? capabilities.get(capability)?.impact ?? "HIGH",
    ...(declared.reversedBy === undefined ? {} : { reversedBy: declared.reversedBy }),
    ...(costPerCall === undefined ? {} : { costPerCall }),
    async preview(request) {
      if (!declared.hasPreview) return { target: request.target };
      const signal = AbortSignal.timeout(limits.pluginPreviewMs);
      const question = { ...pair, method: "preview", request: { ...plain(request), ...pair } } as const;
      const details = await ask(question, { signal, secrets: [] }).catch((error: unknown) => {
        if (error !== signal.reason) throw error;
        throw new PluginError(
          "plugin_timeout",
          `The plugin made no preview within ${limits.pluginPreviewMs / 1_000} s.`,
        );
      });
      if (!isJsonObject(details)) throw answerInvalid("The preview is no object.");
      return details;
    },
    execute: (call) => perform("execute", call),
    ...(declared.hasRollback && {
      rollback: (call: AdapterCall, details: JsonObject) =>
        perform("rollback", call, { status: details["completion"] === partial ? "FAILED" : "SUCCEEDED", details }),
    }),
  };
}

/** Callers hand over more than a request is. */
function plain({ requestId, target, params }: AdapterRequest): JsonObject {
  return { requestId, target, params };
}

function credentialsOf({
  credentialParams,
  requiresCredentials = true,
}: PluginDeclaration): readonly CredentialParam[] {
  if (requiresCredentials) return credentialParams as readonly CredentialParam[];
  return credentialParams.map((param) => ({ ...param, isRequired: false }));
}

/** What is wrong with what an executor says of itself; undefined where nothing is. */
export function contradictionOf(declared: PluginDeclaration): string | undefined {
  const { vendorId, capability, requiresCredentials, credentialParams } = declared;
  const who = `the executor ${vendorId}/${capability}`;
  const names = credentialParams.map((param) => param.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return `${who} names the credential ${twice} twice.`;
  if (requiresCredentials !== true || credentialParams.some(({ isRequired }) => isRequired !== false)) return undefined;
  return `${who} requires credentials, and credentialParams names none that is required.`;
}

/** Masked before it is cut: half a secret could be told no more. */
function shortened(error: unknown, secrets: readonly string[]): unknown {
  if (!(error instanceof Error) || error.message.length <= limits.textLengthMax) return error;
  error.message = createMask(secrets).text(error.message).slice(0, limits.textLengthMax).toWellFormed();
  return error;
}

interface Pair {
  readonly vendorId: string;
  readonly capability: string;
}

function resultOf(answer: Json, { requestId }: AdapterRequest, pair: Pair): AdapterResult {
  if (!isJsonObject(answer)) throw answerInvalid("It is no object.");
  const { status: said, summary, details = {}, error, completion, warnings = [] } = answer;
  const status = typeof said === "string" ? said.toUpperCase() : undefined;
  if (typeof summary !== "string") throw answerInvalid("It has no summary.");
  if (!isJsonObject(details)) throw answerInvalid("Its details are no object.");
  switch (status) {
    case "SUCCEEDED": {
      if (completion !== undefined && completion !== "confirmed" && completion !== "accepted") {
        throw answerInvalid("Its completion is neither confirmed nor accepted.");
      }
      if (!isTexts(warnings)) throw answerInvalid("Its warnings are no list of texts.");
      const all = [...warnings, ...strangeIds(answer, { requestId, ...pair })];
      return { status, summary, details, warnings: all, ...(completion === undefined ? {} : { completion }) };
    }
    case "SIMULATED":
      return { status, summary, details };
    case "FAILED":
      if (error != null && typeof error !== "string") throw answerInvalid("Its error is no text.");
      if (completion !== undefined && completion !== "partial") {
        throw answerInvalid("Of a failed one, its completion can only be partial.");
      }
      return { status, summary, details, error: error || "plugin_failed", isPartial: completion === "partial" };
    default:
      throw answerInvalid("Its status is none of SUCCEEDED, SIMULATED and FAILED.");
  }
}

/** The ids of a result are the request's, whatever the plugin says. */
function strangeIds(answer: JsonObject, request: Readonly<Record<string, string>>): string[] {
  const strange = Object.keys(request).filter((name) => answer[name] !== undefined && answer[name] !== request[name]);
  return strange.map((name) => `The plugin answered with another ${name}; the request's was taken.`);
}

function isTexts(value: Json): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** What a plugin answered can't be a result. */
export function answerInvalid(problem: string): PluginError {
  const unknown = "Whether it took effect is unknown: look at the vendor.";
  return new PluginError("plugin_answer_invalid", `The plugin's answer is none. ${problem} ${unknown}`);
}
