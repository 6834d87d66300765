import { isJsonObject, type Json, type JsonObject } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";

/** The first rows of a search, as many as a result may hold. */
export function shownRows(rows: readonly Json[]): readonly JsonObject[] {
  const shown: JsonObject[] = [];
  let bytes = 0;
  for (const row of rows.slice(0, limits.siemRowsShownMax)) {
    if (!isJsonObject(row)) continue;
    bytes += Buffer.byteLength(JSON.stringify(row));
    if (bytes > limits.siemRowsBytesMax) break;
    shown.push(row);
  }
  return shown;
}

/** The details of a search. */
export function searchDetails(
  backend: string,
  query: string,
  { rows, count }: { readonly rows: readonly Json[]; readonly count: number },
): JsonObject {
  const results = shownRows(rows);
  return { backend, query, result_count: count, results, results_shown: results.length };
}
