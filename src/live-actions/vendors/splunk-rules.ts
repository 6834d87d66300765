import { z } from "zod";
import type { Json, JsonObject } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { Adapter, AdapterCall, AdapterRequest, AdapterResult } from "../adapter.ts";
import { failed, readAnswer } from "../vendor-answer.ts";
import { keepPrior, readPrior } from "./prior-version.ts";
import {
  explained,
  InvalidRequest,
  invalid,
  previewed,
  problemIn,
  readObject,
  readTarget,
  readText,
} from "./read-params.ts";
import { askSplunk, askSplunkFor, type SplunkRequest, splunkCredentials } from "./splunk-api.ts";

/**
 * Creates the saved search that the target names, or changes the settings that are given of the one that is there. Those it had are kept in
 * the details, so that a rollback can put them back.
 * @see "saved/searches" in the Splunk REST API reference and savedsearches.conf, 2026-11.
 */
export const syncDetectionRule: Adapter = {
  vendorId: "splunk",
  capability: "sync_detection_rule",
  description:
    "Creates or changes the saved search that the target names, in the app of params (search where left out): query, severity, and rule_config with further settings. What is not given stays as it is.",
  credentials: splunkCredentials,
  impact: "MODERATE",
  reversedBy: "sync_detection_rule",
  isIdempotent: true,
  timeoutMs: 60_000,
  check: (request) => problemIn(() => readRule(request)),
  preview: (request) => previewed(() => ({ ...readRule(request) })),
  execute: (call) => explained(() => sync(call)),
  rollback: (call, details) => explained(() => rollback(call, details)),
};

interface Rule {
  readonly rule_name: string;
  readonly app: string;
  /** Settings of savedsearches.conf, as Splunk's forms take them. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Splunk Web shows 1 to 5 as info, low, medium, high and critical. */
const severities: Readonly<Record<string, string>> = {
  info: "1",
  informational: "1",
  low: "2",
  medium: "3",
  high: "4",
  critical: "5",
};

/** Plainer names for settings. */
const aliases: Readonly<Record<string, string>> = {
  query: "search",
  earliest_time: "dispatch.earliest_time",
  latest_time: "dispatch.latest_time",
};

/** What a rule may set besides. Other alert actions run scripts and send mail: they are Splunk's administrators' to set. */
const settable =
  /^(search|description|cron_schedule|is_scheduled|disabled|schedule_window|alert_type|alert_comparator|alert_threshold|counttype|relation|quantity|actions|(alert|dispatch|action\.(notable|correlationsearch|risk))(\.[\w.]+)?)$/;

/** @throws InvalidRequest */
function readRule(request: AdapterRequest): Rule {
  const { params } = request;
  const name = readTarget(request, { lengthMax: limits.nameLengthMax })?.trim();
  if (name === undefined || /^\.{1,2}$/.test(name)) {
    throw new InvalidRequest("invalid_target", "The target is to be the name of a saved search.");
  }
  const { name: inner, severity: given, ...config } = readObject(params, "rule_config") ?? {};
  if (inner !== undefined && inner !== name) throw invalid("`rule_config.name` is another than the target.");
  const app = readText(params, "app", { lengthMax: limits.nameLengthMax }) ?? "search";
  if (!/^\w[\w.-]*$/.test(app)) throw invalid("`app` is to be the folder name of a Splunk app.");
  const severity = severityOf(params["severity"] ?? given);
  const query = readText(params, "query", { lengthMax: limits.siemQueryLengthMax });
  const settings = {
    ...Object.fromEntries(Object.entries(config).map(settingOf)),
    ...(query !== undefined && { search: query }),
    ...(severity !== undefined && { "alert.severity": severity }),
  };
  if (Object.keys(settings).length === 0)
    throw invalid("Give `query`, `severity` or `rule_config`: there is nothing to set.");
  return { rule_name: name, app, settings };
}

function severityOf(given: Json | undefined): string | undefined {
  if (given === undefined || given === null) return undefined;
  const word = String(given).trim().toLowerCase();
  const severity = severities[word] ?? (/^[1-6]$/.test(word) ? word : undefined);
  if (severity === undefined)
    throw invalid("`severity` is to be info, low, medium, high, critical, or a number from 1 to 6.");
  return severity;
}

function settingOf([name, value]: [string, Json]): [string, string] {
  if (name === "enabled" && typeof value === "boolean") return ["disabled", value ? "0" : "1"];
  const setting = aliases[name] ?? name;
  if (!settable.test(setting)) {
    throw invalid(
      `\`rule_config\` can't set ${JSON.stringify(name.slice(0, 100))}. It sets search, description, cron_schedule, is_scheduled, disabled, alert.*, dispatch.*, actions and the actions notable, correlationsearch and risk.`,
    );
  }
  return [setting, textOf(value, name)];
}

function textOf(value: Json, name: string): string {
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "number") return String(value);
  const text = readText({ [name]: value }, name, { lengthMax: limits.siemQueryLengthMax });
  return text ?? "";
}

async function sync(call: AdapterCall): Promise<AdapterResult> {
  const { rule_name, app, settings } = readRule(call);
  const found = await askSplunkFor(call, rule(rule_name, app, { method: "GET" }));
  if (!found && settings["search"] === undefined) {
    return failed(
      "target_not_found",
      `Splunk has no saved search ${rule_name}, and there is no \`query\` to create it with.`,
    );
  }
  const [entry] = found ? readAnswer(found, ruleShape).entry : [];
  // Splunk shows what other apps share, too; to change it from here would make a second one that hides it.
  if (entry?.acl && entry.acl.app !== app) {
    const home = entry.acl.app;
    return failed("other_app", `The saved search ${rule_name} belongs to the app ${home}. Give \`app\`: ${home}.`, {
      app: home,
    });
  }
  const prior = entry && priorOf(entry.content, settings);
  const answer = found
    ? await askSplunk(call, rule(rule_name, app, { method: "POST", form: { ...settings, output_mode: "json" } }))
    : await askSplunk(call, {
        ...rule(rule_name, app, { method: "POST", form: { name: rule_name, ...settings, output_mode: "json" } }),
        path: collection(app),
      });
  readAnswer(answer, ruleShape);
  return {
    status: "SUCCEEDED",
    summary: `${found ? "Changed" : "Created"} the saved search ${rule_name}.`,
    details: { rule_name, app, created: !found, settings, ...(prior && keepPrior(prior)) },
    completion: "confirmed",
  };
}

/** What the settings were, one by one; null for what was not set. */
function priorOf(content: JsonObject, settings: Rule["settings"]): JsonObject {
  const was = (name: string): Json => {
    const value = Object.hasOwn(content, name) ? content[name] : null;
    return value === null || value === undefined ? null : textOf(typeof value === "object" ? "" : value, name);
  };
  return Object.fromEntries(Object.keys(settings).map((name) => [name, was(name)]));
}

const entryShape = z.object({
  content: z.record(z.string(), z.json()),
  acl: z.object({ app: z.string() }).optional(),
});
const ruleShape = z.object({ entry: z.tuple([entryShape]) });

function collection(app: string): string[] {
  return ["servicesNS", "nobody", app, "saved", "searches"];
}

function rule(name: string, app: string, request: Pick<SplunkRequest, "method" | "form">): SplunkRequest {
  return { path: [...collection(app), name], query: request.form ? {} : { output_mode: "json" }, ...request };
}

async function rollback(call: AdapterCall, details: JsonObject): Promise<AdapterResult> {
  const { rule_name: name, app, created } = details;
  if (typeof name !== "string" || typeof app !== "string") {
    return failed("nothing_kept", "The details of the call do not name a saved search.");
  }
  if (created === true) {
    const deleted = await askSplunkFor(call, rule(name, app, { method: "DELETE" }));
    const summary = deleted ? `Deleted the saved search ${name} again.` : `The saved search ${name} was gone already.`;
    return { status: "SUCCEEDED", summary, details: { rule_name: name, app, deleted: deleted !== undefined } };
  }
  const read = readPrior(details, `the saved search ${name}`);
  if ("failure" in read) return read.failure;
  const settings = Object.fromEntries(Object.entries(read.prior).map(([key, value]) => [key, String(value ?? "")]));
  const form = { ...settings, output_mode: "json" };
  const answer = await askSplunkFor(call, rule(name, app, { method: "POST", form }));
  if (!answer) {
    return failed("target_not_found", `Splunk has no saved search ${name} any more.`, { rule_name: name, app });
  }
  readAnswer(answer, ruleShape);
  const summary = `Put back the settings of the saved search ${name}.`;
  return { status: "SUCCEEDED", summary, details: { rule_name: name, app, restored: settings } };
}
