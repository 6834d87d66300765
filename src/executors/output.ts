import type { Json } from "../core/json.ts";
import { turns } from "../core/turns.ts";
import { readOutput } from "../scripts/output.ts";

/** {@link readOutput}, once this turn of the event loop has time for it: many large ones come at once, and a megabyte takes 50 ms. */
export function readOutputInTurn(written: string): Promise<Json> {
  return turns.take(() => readOutput(written));
}
