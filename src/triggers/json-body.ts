import type { Json } from "../core/json.ts";
import { hasMoreValues } from "../core/json-values.ts";
import { limits } from "../core/limits.ts";
import { isNestedDeeper } from "../core/nesting.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The JSON of a body, or why there is none. A key that stands twice counts as it stands last. */
export function readJson(body: Uint8Array): { readonly json: Json } | { readonly problem: string } {
  let json: Json;
  try {
    const text = utf8.decode(body);
    const valuesMax = limits.requestValuesMax;
    if (hasMoreValues(text, valuesMax)) return { problem: `It holds more than ${valuesMax} values.` };
    json = JSON.parse(text) as Json;
  } catch {
    return { problem: "This is no JSON in UTF-8." };
  }
  const levelsMax = limits.requestDepthMax;
  return isNestedDeeper(json, levelsMax) ? { problem: `It is nested deeper than ${levelsMax} levels.` } : { json };
}
