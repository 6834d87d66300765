import type { Json, JsonObject } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { Adapter, AdapterCall, AdapterRequest, AdapterResult } from "../adapter.ts";
import { awaitCompletion } from "../await-completion.ts";
import { failed } from "../vendor-answer.ts";
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
import { isFieldName, splEval, splText } from "./spl.ts";
import { readJob, runSearch, saidBy, splunkCredentials } from "./splunk-api.ts";

/**
 * Creates a notable event of Splunk Enterprise Security, by the search `| makeresults | eval … | sendalert notable …`: the way to create one
 * from the search language that Splunk documents. There is no public REST endpoint that creates one in every version.
 * @see "Notable Event framework in Splunk ES" on dev.splunk.com and `sendalert` in the Splunk search reference, 2026-11. The user needs the
 *   capability run_sendalert.
 */
export const createNotableEvent: Adapter = {
  vendorId: "splunk",
  capability: "create_notable_event",
  description:
    "Creates a notable event in Splunk Enterprise Security about the target, which becomes its dest, through the search command sendalert. Asking twice makes two.",
  credentials: splunkCredentials,
  impact: "LOW",
  isIdempotent: false,
  timeoutMs: 60_000,
  irreversible: "Splunk deletes no notable event. Close it in Splunk Enterprise Security.",
  check: (request) => problemIn(() => readNotable(request)),
  preview: (request) => previewed(() => detailsOf(readNotable(request))),
  execute: (call) => explained(() => create(call)),
};

interface Notable {
  readonly title: string;
  readonly description: string | undefined;
  readonly severity: string;
  readonly domain: string;
  readonly fields: readonly (readonly [name: string, value: Json])[];
}

/** Splunk's own words for how severe an event is. @see "How urgency is assigned to notable events" in the manual of Splunk ES, 2026-11. */
const severities: Readonly<Record<string, string>> = {
  info: "informational",
  informational: "informational",
  low: "low",
  medium: "medium",
  high: "high",
  critical: "critical",
};

const domains = ["access", "audit", "endpoint", "identity", "network", "threat"];

/** @throws InvalidRequest */
function readNotable(request: AdapterRequest): Notable {
  const { params, requestId } = request;
  const about = readTarget(request, { lengthMax: limits.targetLengthMax });
  const title = readText(params, "event_title", { lengthMax: limits.textLengthMax });
  const shown = title ?? about;
  if (shown === undefined)
    throw new InvalidRequest("invalid_target", "Give `event_title`, or a target that is the title.");
  const severity = severities[readText(params, "severity", { lengthMax: 32 })?.trim().toLowerCase() ?? "high"];
  if (severity === undefined) throw invalid("`severity` is to be info, low, medium, high or critical.");
  const domain = readText(params, "security_domain", { lengthMax: 32 }) ?? "threat";
  if (!domains.includes(domain)) throw invalid(`\`security_domain\` is to be one of ${domains.join(", ")}.`);
  const own = readFields(params);
  const dest: [string, Json][] =
    title !== undefined && about !== undefined && !("dest" in own) ? [["dest", about]] : [];
  return {
    title: shown,
    description: readText(params, "description", { lengthMax: limits.textLengthMax }),
    severity,
    domain,
    fields: [...dest, ...Object.entries(own), ["riposte_request_id", requestId]],
  };
}

/** @throws InvalidRequest */
function readFields(params: JsonObject): JsonObject {
  const fields = readObject(params, "fields") ?? {};
  const names = Object.keys(fields);
  if (names.length > limits.parametersMax)
    throw invalid(`\`fields\` is to have at most ${limits.parametersMax} fields.`);
  const strange = names.find((name) => !isFieldName(name));
  if (strange !== undefined) {
    throw invalid(
      "`fields` has a name that is none of a field: letters, digits and _, beginning with a letter, at most 64.",
    );
  }
  if (JSON.stringify(fields).length > limits.siemQueryLengthMax) throw invalid("`fields` is too large for a search.");
  return fields;
}

/** A parameter of sendalert. It fills in what stands between dollars, so a text with dollars comes from a field instead. */
function parameterOf(
  name: string,
  text: string,
): { readonly param: string; readonly fields: readonly [string, string][] } {
  if (!text.includes("$")) return { param: `param.${name}=${splText(text)}`, fields: [] };
  return { param: `param.${name}="$result.riposte_${name}$"`, fields: [[`riposte_${name}`, text]] };
}

/** The search that creates the event. */
export function notableSearch({ title, description, severity, domain, fields }: Notable): string {
  const parameters = [
    parameterOf("rule_title", title),
    ...(description === undefined ? [] : [parameterOf("rule_description", description)]),
    parameterOf("severity", severity),
    parameterOf("security_domain", domain),
  ];
  const all = [...fields, ...parameters.flatMap((parameter) => parameter.fields)];
  return `| makeresults | ${splEval(all)} | sendalert notable ${parameters.map(({ param }) => param).join(" ")}`;
}

function detailsOf({ title, severity, domain }: Notable): JsonObject {
  return { title, rule_name: title, severity, security_domain: domain };
}

async function create(call: AdapterCall): Promise<AdapterResult> {
  const notable = readNotable(call);
  const details = detailsOf(notable);
  // A preview of the results would call sendalert once more ("sendalert", usage).
  const sid = await runSearch(call, { search: notableSearch(notable), preview: "0", max_count: "1" });
  // sendalert has been called: that nobody can be asked how it went is no reason to call it again.
  const { last: job, warnings } = await awaitCompletion(call.http, () => readJob(call, sid), { isOver: () => true });
  const said = job ? saidBy(call, job) : [];
  const error = said.find(({ type }) => type !== "WARN");
  if (job?.hasFailed || error) {
    const reason = error ? `: ${error["text"]}` : ".";
    const summary = `Splunk did not create the notable event${reason}`;
    return failed("search_failed", summary, { ...details, sid, messages: said });
  }
  return {
    status: "SUCCEEDED",
    summary: `Created the notable event ${JSON.stringify(notable.title.slice(0, 100))} with severity ${notable.severity}.`,
    details: { ...details, sid },
    // Splunk writes it to its index a moment later.
    completion: "accepted",
    warnings: [...warnings, ...said.map(({ text }) => String(text))],
  };
}
