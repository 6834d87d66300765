import type { Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The JSON of a body, or why there is none. A key that stands twice counts as it stands last. */
export function readJson(body: Uint8Array): { readonly json: Json } | { readonly problem: string } {
  let json: Json;
  try {
    json = JSON.parse(utf8.decode(body)) as Json;
  } catch {
    return { problem: "This is no JSON in UTF-8." };
  }
  const levelsMax = limits.requestDepthMax;
  return isDeeper(json, levelsMax) ? { problem: `It is nested deeper than ${levelsMax} levels.` } : { json };
}

/** Without recursion: it may be deeper than the stack. */
function isDeeper(json: Json, levelsMax: number): boolean {
  let level: readonly Json[] = [json];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > levelsMax) return true;
    level = level.flatMap((value) =>
      typeof value === "object" && value !== null ? (Object.values(value) as Json[]) : [],
    );
  }
  return false;
}
