import { z } from "zod";
import type { JsonObject } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { Adapter, AdapterCall, AdapterRequest, AdapterResult } from "../adapter.ts";
import { readAnswer } from "../vendor-answer.ts";
import { VendorError } from "../vendor-http.ts";
import { askElastic, elasticCredentials, elasticIndex } from "./elastic-api.ts";
import {
  explained,
  InvalidRequest,
  invalid,
  previewed,
  problemIn,
  readFlag,
  readInteger,
  readTarget,
  readText,
} from "./read-params.ts";
import { searchDetails } from "./siem-rows.ts";

/** Searches with `params.query`: ES|QL, or with `use_esql: false` a query string. Without one, for the target as a phrase. */
export const searchElastic: Adapter = {
  vendorId: "elastic",
  capability: "search_siem",
  description:
    "Searches Elasticsearch with the ES|QL in query (a query string where use_esql is false), or for the target as a phrase. The first 50 results are shown.",
  credentials: [...elasticCredentials, elasticIndex],
  impact: "READ_ONLY",
  isIdempotent: true,
  timeoutMs: 120_000,
  irreversible: "A search changes nothing.",
  check: (request) => problemIn(() => readSearch(request)),
  preview: (request) => previewed(() => previewOf(readSearch(request))),
  execute: (call) => explained(() => search(call)),
};

type Language = "esql" | "query_string" | "phrase";

interface Wanted {
  readonly language: Language;
  readonly text: string;
  readonly maxResults: number;
}

/** @throws InvalidRequest */
function readSearch(request: AdapterRequest): Wanted {
  const { params } = request;
  const lengthMax = limits.siemQueryLengthMax;
  const query = readText(params, "query", { lengthMax });
  const phrase = readTarget(request, { lengthMax });
  const text = query ?? phrase;
  if (text === undefined) {
    throw new InvalidRequest("invalid_target", "Give `query`, or a target to be looked for as a phrase.");
  }
  const isEsql = readFlag(params, "use_esql", true);
  const bounds = { min: 1, max: limits.siemRowsMax, otherwise: limits.siemRowsDefault };
  return {
    language: query === undefined ? "phrase" : isEsql ? "esql" : "query_string",
    text,
    maxResults: readInteger(params, "max_results", bounds),
  };
}

function previewOf({ text, language }: Wanted): JsonObject {
  return { ...searchDetails("elastic", text, { rows: [], count: 0 }), language };
}

async function search(call: AdapterCall): Promise<AdapterResult> {
  const wanted = readSearch(call);
  const { rows, count, isPartial } =
    wanted.language === "esql" ? await runEsql(call, wanted) : await runQuery(call, wanted);
  const results = count === 1 ? "1 result" : `${count} results`;
  const forPhrase = wanted.language === "phrase" ? ` for the phrase ${JSON.stringify(wanted.text.slice(0, 100))}` : "";
  return {
    status: "SUCCEEDED",
    summary: `Elasticsearch found ${results}${forPhrase}.`,
    details: { ...searchDetails("elastic", wanted.text, { rows, count }), language: wanted.language },
    warnings: isPartial ? ["Elasticsearch answered in part only: these are not all of the results."] : [],
  };
}

interface Found {
  readonly rows: readonly JsonObject[];
  readonly count: number;
  readonly isPartial: boolean;
}

/**
 * The rows that are shown; how many there are is asked for only where there are more, so that no answer gets large.
 * The limit stands on a line of its own, where a comment at the end of the query does not swallow it.
 * @see "Run an ES|QL query" in the Elasticsearch API reference, 2026-11.
 */
async function runEsql(call: AdapterCall, { text, maxResults }: Wanted): Promise<Found> {
  const shown = Math.min(maxResults, limits.siemRowsShownMax);
  const { columns, values, is_partial } = await askEsql(call, `${text}\n| LIMIT ${shown}`);
  const rows = values.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, row[index] ?? null])));
  if (values.length < shown || shown === maxResults) return { rows, count: values.length, isPartial: is_partial };
  const counted = await askEsql(call, `${text}\n| LIMIT ${maxResults}\n| STATS riposte_count = COUNT(*)`);
  const count = z.number().int().min(0).safeParse(counted.values[0]?.[0]);
  if (!count.success) throw new VendorError("Elasticsearch's answer to a count can't be read.");
  return { rows, count: count.data, isPartial: is_partial || counted.is_partial };
}

async function askEsql(call: AdapterCall, query: string) {
  // A search over many indices has thousands of columns, of which a row fills some.
  const options = { format: "json", drop_null_columns: "true" };
  return readAnswer(
    await askElastic(call, { method: "POST", path: ["_query"], query: options, json: { query } }),
    esqlShape,
  );
}

const esqlShape = z.object({
  columns: z.array(z.object({ name: z.string() })),
  values: z.array(z.array(z.json())),
  is_partial: z.boolean().default(false),
});

/** @see "Run a search" in the Elasticsearch API reference, 2026-11. */
async function runQuery(call: AdapterCall, wanted: Wanted): Promise<Found> {
  const { text: query, maxResults, language } = wanted;
  const index = call.credentials["elastic_index"]?.trim() || "*";
  // No index begins with an underscore: what does is another part of the API.
  if (/^\.{1,2}$/.test(index) || /(^|,)\s*_(?!all(,|$))/.test(index)) {
    throw invalid("`elastic_index` is to name indices, e.g. logs-*.");
  }
  const clause =
    language === "phrase"
      ? // In the fields that the indices name for that (index.query.default_field): all of them would be too many clauses.
        { multi_match: { query, type: "phrase", lenient: true } }
      : { query_string: { query } };
  const json = {
    query: clause,
    size: Math.min(maxResults, limits.siemRowsShownMax),
    track_total_hits: maxResults,
    timeout: `${limits.siemSearchMs}ms`,
  };
  const answer = await askElastic(call, { method: "POST", path: [index, "_search"], json });
  const { hits, timed_out, _shards } = readAnswer(answer, searchShape);
  const rows = hits.hits.map(({ _source, ...hit }) => ({ ...hit, ...(_source !== undefined && { _source }) }));
  return { rows, count: Math.min(hits.total.value, maxResults), isPartial: timed_out || _shards.failed > 0 };
}

const hitShape = z.object({ _index: z.string(), _id: z.string(), _source: z.json().optional() });
const searchShape = z.object({
  timed_out: z.boolean(),
  _shards: z.object({ failed: z.number() }),
  hits: z.object({ total: z.object({ value: z.number().int().min(0) }), hits: z.array(hitShape) }),
});
