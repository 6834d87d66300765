import { isIP } from "node:net";
import { z } from "zod";
import type { JsonObject } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { Adapter, AdapterCall, AdapterRequest, AdapterResult, RequestProblem } from "../adapter.ts";
import { failed } from "../vendor-answer.ts";
import { VendorError } from "../vendor-http.ts";
import { callDefender, defenderCredentials, odataText, sendToDefender } from "./defender-api.ts";

const hex = (digits: number) => new RegExp(`^[0-9a-f]{${digits}}$`, "i");

/** What a value of each type looks like. Networks are not supported, by Defender either. */
const values: Readonly<Record<string, { readonly isValid: (value: string) => boolean; readonly example: string }>> = {
  FileSha1: { isValid: (value) => hex(40).test(value), example: "a SHA-1 of 40 hex digits" },
  FileSha256: { isValid: (value) => hex(64).test(value), example: "a SHA-256 of 64 hex digits" },
  FileMd5: { isValid: (value) => hex(32).test(value), example: "an MD5 of 32 hex digits" },
  CertificateThumbprint: { isValid: (value) => hex(40).test(value), example: "a thumbprint of 40 hex digits" },
  IpAddress: { isValid: (value) => isIP(value) > 0 && !value.includes("%"), example: "one IP address, no network" },
  DomainName: { isValid: isDomainName, example: "a domain name such as evil.example" },
  Url: { isValid: isUrl, example: "an http or https URL" },
};

function isDomainName(value: string): boolean {
  return value.length <= 253 && /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}$/i.test(value);
}

function isUrl(value: string): boolean {
  const url = /[\s\p{C}]/u.test(value) ? null : URL.parse(value);
  return url !== null && /^https?:$/.test(url.protocol) && value.length <= 2_048;
}

/** What the API takes of an indicator, beside its value and type; all of it is told again when the indicator is restored. */
const settings = z.object({
  action: z.string(),
  title: z.string().nullish(),
  description: z.string().nullish(),
  severity: z.string().nullish(),
  generateAlert: z.boolean().nullish(),
  expirationTime: z.string().nullish(),
  recommendedActions: z.string().nullish(),
  rbacGroupNames: z.array(z.string()).nullish(),
});
const indicatorShape = settings.extend({
  id: z
    .union([z.string(), z.number()])
    .transform(String)
    .pipe(z.string().regex(/^[\w-]{1,100}$/)),
  indicatorValue: z.string(),
  indicatorType: z.string(),
});
type Indicator = z.infer<typeof indicatorShape>;

/**
 * An indicator that Defender blocks. One value has one indicator: submitting it again changes that, so what was there is looked up before.
 * @see learn.microsoft.com/defender-endpoint/api/post-ti-indicator, …/get-ti-indicators-collection and …/delete-ti-indicator-by-id, 2026-11:
 * title and description are required; an application that may not read all indicators sees its own only.
 */
export const blockIoc: Adapter = {
  vendorId: "defender",
  capability: "block_ioc",
  description:
    "Has Defender block a file, an address, a domain or a URL on all machines. The target is its value, `ioc_type` one of " +
    `${Object.keys(values).join(", ")} (IpAddress by default). An indicator that allowed it is changed, and restored by the rollback.`,
  credentials: defenderCredentials,
  impact: "MODERATE",
  reversedBy: "allow_ioc",
  isIdempotent: true,
  timeoutMs: 60_000,
  check: (request) => checkValue(request) ?? checkTexts(request),
  preview: (request) => ({ ioc_value: request.target, ioc_type: typeOf(request), action: "Block" }),
  async execute(call) {
    const mark = `Riposte, live action ${call.requestId}`;
    const previous = await find(call, { value: call.target, type: typeOf(call) });
    if (previous?.action === "Block") {
      // Marked as this action's own where it was done before, and nobody heard the answer.
      return blocked(previous, { wasThere: previous.description?.includes(mark) !== true });
    }
    const { title, description } = call.params;
    const indicator = await submit(call, {
      indicatorValue: call.target,
      indicatorType: typeOf(call),
      action: "Block",
      application: "Riposte",
      title: typeof title === "string" ? title : `Blocked by Riposte: ${call.target}`.slice(0, limits.nameLengthMax),
      description: typeof description === "string" ? `${description} (${mark})` : mark,
      severity: "High",
      generateAlert: true,
    });
    return blocked(indicator, { wasThere: false, ...(previous && { previous: settingsOf(previous) }) });
  },
  async rollback(call, details) {
    const { indicator_id: id, indicator_value: value, indicator_type: type, already_blocked, previous } = details;
    if (typeof id !== "string" || !/^[\w-]{1,100}$/.test(id) || typeof value !== "string" || typeof type !== "string") {
      return failed("nothing_to_undo", "The details do not say which indicator was made.");
    }
    const named = { indicator_id: id, indicator_value: value, indicator_type: type };
    if (already_blocked === true) {
      const summary = `${value} was blocked before this live action, so it stays so. Delete the indicator in Defender if need be.`;
      return failed("nothing_to_undo", summary, named);
    }
    const before = settings.safeParse(previous);
    return before.success ? restore(call, named, before.data) : remove(call, named);
  },
};

function blocked(indicator: Indicator, how: { wasThere: boolean; previous?: JsonObject }): AdapterResult {
  const { id, indicatorValue, indicatorType } = indicator;
  return {
    status: "SUCCEEDED",
    summary: `Defender ${how.wasThere ? "blocked" : "blocks"} ${indicatorValue}${how.wasThere ? " already" : ""}.`,
    details: {
      indicator_id: id,
      indicator_type: indicatorType,
      indicator_value: indicatorValue,
      already_blocked: how.wasThere,
      ...(how.previous && { previous: how.previous }),
    },
    completion: "confirmed",
    ...(how.previous && { warnings: [`There was an indicator for it, with the action ${how.previous["action"]}.`] }),
  };
}

async function find(
  call: AdapterCall,
  { value, type }: { value: string; type: string },
): Promise<Indicator | undefined> {
  const $filter = `indicatorValue eq ${odataText(value)} and indicatorType eq ${odataText(type)}`;
  const { value: found } = await callDefender(
    call,
    { method: "GET", path: "/api/indicators", query: { $filter, $top: String(limits.vendorMatchesMax) } },
    z.object({ value: z.array(indicatorShape) }),
  );
  return found.find((one) => one.indicatorType === type && one.indicatorValue.toLowerCase() === value.toLowerCase());
}

function submit(call: AdapterCall, json: JsonObject): Promise<Indicator> {
  return callDefender(call, { method: "POST", path: "/api/indicators", json }, indicatorShape);
}

interface NamedIndicator {
  readonly indicator_id: string;
  readonly indicator_value: string;
  readonly indicator_type: string;
}

async function restore(
  call: AdapterCall,
  named: NamedIndicator,
  before: z.infer<typeof settings>,
): Promise<AdapterResult> {
  const { indicator_value: indicatorValue, indicator_type: indicatorType } = named;
  const { action } = await submit(call, { indicatorValue, indicatorType, ...settingsOf(before) });
  return {
    status: "SUCCEEDED",
    summary: `The indicator for ${indicatorValue} is as it was, with the action ${action}.`,
    details: { ...named, action },
    completion: "confirmed",
  };
}

async function remove(call: AdapterCall, named: NamedIndicator): Promise<AdapterResult> {
  const done = { status: "SUCCEEDED", details: { ...named, action: "deleted" }, completion: "confirmed" } as const;
  try {
    await sendToDefender(call, { method: "DELETE", path: `/api/indicators/${named.indicator_id}` });
  } catch (error) {
    if (!(error instanceof VendorError && error.status === 404)) throw error;
    return { ...done, summary: `The indicator for ${named.indicator_value} was deleted already.` };
  }
  return { ...done, summary: `The indicator for ${named.indicator_value} is deleted: Defender no longer blocks it.` };
}

/** What of an indicator can be submitted; what is not set is left out. */
function settingsOf(indicator: z.infer<typeof settings>): JsonObject {
  const entries = Object.entries(settings.parse(indicator)).filter(
    ([, value]) => value !== null && value !== undefined,
  );
  return Object.fromEntries(entries) as JsonObject;
}

function typeOf({ params }: AdapterRequest): string {
  const type = params["ioc_type"] ?? "IpAddress";
  return typeof type === "string" ? type : "";
}

function checkValue(request: AdapterRequest): RequestProblem | undefined {
  const type = typeOf(request);
  const kind = Object.hasOwn(values, type) ? values[type] : undefined;
  if (!kind) return { error: "invalid_params", message: `ioc_type is one of ${Object.keys(values).join(", ")}.` };
  if (kind.isValid(request.target)) return undefined;
  return { error: "invalid_target", message: `The target is no ${type}: give ${kind.example}, or another ioc_type.` };
}

function checkTexts({ params }: AdapterRequest): RequestProblem | undefined {
  const wrong = ["title", "description"].find((name) => {
    const text = params[name] ?? "by default";
    return typeof text !== "string" || text.trim() === "" || text.length > limits.textLengthMax;
  });
  if (wrong === undefined) return undefined;
  return { error: "invalid_params", message: `${wrong} is a text of 1 to ${limits.textLengthMax} characters.` };
}
