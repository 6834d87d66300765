import { z } from "zod";
import type { Json, JsonObject } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { Adapter, AdapterCall, AdapterRequest, AdapterResult } from "../adapter.ts";
import { failed, readAnswer } from "../vendor-answer.ts";
import {
  explained,
  InvalidRequest,
  invalid,
  previewed,
  problemIn,
  readInteger,
  readTarget,
  readText,
} from "./read-params.ts";
import { searchDetails } from "./siem-rows.ts";
import { splSearch, writingCommand } from "./spl.ts";
import {
  askSplunk,
  jobsPath,
  readJob,
  runSearch,
  type SplunkJob,
  saidBy,
  splunkCredentials,
  splunkIndex,
} from "./splunk-api.ts";

/** Searches with `params.query` (SPL), or for the target as a phrase where there is none. */
export const searchSplunk: Adapter = {
  vendorId: "splunk",
  capability: "search_siem",
  description:
    "Searches Splunk with the SPL in query, or for the target as a phrase, over the last 24 hours unless earliest_time and latest_time say otherwise. Refuses commands that write or send (delete, outputlookup, sendalert, …); the first 50 results are shown.",
  credentials: [...splunkCredentials, splunkIndex],
  impact: "READ_ONLY",
  isIdempotent: true,
  timeoutMs: 120_000,
  irreversible: "A search changes nothing.",
  check: (request) => problemIn(() => readSearch(request)),
  preview: (request) => previewed(() => searchDetails("splunk", searchOf(request, undefined), { rows: [], count: 0 })),
  execute: (call) => explained(() => search(call)),
};

interface Wanted {
  readonly query: string | undefined;
  readonly phrase: string;
  readonly maxResults: number;
  readonly earliest: string;
  readonly latest: string;
}

/** @throws InvalidRequest */
function readSearch(request: AdapterRequest): Wanted {
  const { params } = request;
  const lengthMax = limits.siemQueryLengthMax;
  const query = readText(params, "query", { lengthMax });
  const phrase = readTarget(request, { lengthMax });
  if (query === undefined && phrase === undefined) {
    throw new InvalidRequest("invalid_target", "Give `query` as SPL, or a target to be looked for as a phrase.");
  }
  const command = query === undefined ? undefined : writingCommand(query);
  if (command !== undefined) {
    throw invalid(`\`query\` has the command \`${command}\`, which changes or sends something: a search only reads.`);
  }
  const times = { lengthMax: limits.nameLengthMax };
  return {
    query,
    phrase: phrase ?? "",
    maxResults: readInteger(params, "max_results", {
      min: 1,
      max: limits.siemRowsMax,
      otherwise: limits.siemRowsDefault,
    }),
    earliest: readText(params, "earliest_time", times) ?? "-24h",
    latest: readText(params, "latest_time", times) ?? "now",
  };
}

function searchOf(request: AdapterRequest, index: string | undefined): string {
  return splSearch({ ...readSearch(request), index });
}

async function search(call: AdapterCall): Promise<AdapterResult> {
  const wanted = readSearch(call);
  const query = searchOf(call, call.credentials["splunk_index"] || undefined);
  const sid = await runSearch(call, {
    search: query,
    earliest_time: wanted.earliest,
    latest_time: wanted.latest,
    max_count: String(wanted.maxResults),
    // Splunk stops it then and keeps what it has, so it does not work on for nobody either.
    max_time: String(limits.siemSearchMs / 1_000),
  });
  const job = await readJob(call, sid);
  if (job.hasFailed) return searchFailed(call, job, { backend: "splunk", query });
  const rows = job.resultCount === 0 ? [] : await readRows(call, sid);
  const details = searchDetails("splunk", query, { rows, count: job.resultCount });
  const count = job.resultCount === 1 ? "1 result" : `${job.resultCount} results`;
  return {
    status: "SUCCEEDED",
    summary: `Splunk found ${count}${wanted.query === undefined ? ` for the phrase ${JSON.stringify(wanted.phrase.slice(0, 100))}` : ""}.`,
    details: { ...details, sid },
    warnings: warningsOf(call, job),
  };
}

async function readRows(call: AdapterCall, sid: string): Promise<readonly Json[]> {
  const path = [...jobsPath, sid, "results"];
  const query = { output_mode: "json", count: String(limits.siemRowsShownMax) };
  return readAnswer(await askSplunk(call, { method: "GET", path, query }), rowsShape).results;
}

const rowsShape = z.object({ results: z.array(z.record(z.string(), z.json())) });

/** Of a job that Splunk gave up. */
function searchFailed(call: AdapterCall, job: SplunkJob, details: JsonObject): AdapterResult {
  const said = saidBy(call, job);
  const reason = typeof said[0]?.["text"] === "string" ? `: ${said[0]["text"]}` : ".";
  return failed("search_failed", `Splunk could not run the search${reason}`, {
    ...details,
    sid: job.sid,
    messages: said,
  });
}

function warningsOf(call: AdapterCall, job: SplunkJob): string[] {
  const cut = job.isCutShort ? ["The search was stopped before its end: these are not all of its results."] : [];
  return [...cut, ...saidBy(call, job).map(({ text }) => String(text))];
}
