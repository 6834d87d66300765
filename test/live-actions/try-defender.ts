import { expect, onTestFinished } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import type { Adapter, AdapterRequest } from "../../src/live-actions/adapter.ts";
import { type DefenderOptions, startDefender } from "./fakes/defender.ts";
import { tryAdapter } from "./try-adapter.ts";

/** Tries an adapter at a Defender that is as the options say, and can undo what it did. */
export async function tryDefender(adapter: Adapter, asked: AdapterRequest, options: DefenderOptions = {}) {
  const fake = await startDefender(options);
  onTestFinished(async () => {
    await fake.close();
    expect(fake.mistakes).toEqual([]);
  });
  const outcome = await tryAdapter({ adapter, request: asked, fake });
  const undo = (details?: JsonObject) => {
    const done = details ?? (outcome.result as { details: JsonObject }).details;
    return tryAdapter({ adapter, request: asked, fake, invoke: (call) => adapter.rollback!(call, done) });
  };
  return { fake, ...outcome, undo };
}
