import { expect, onTestFinished } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import type { Adapter, AdapterRequest } from "../../src/live-actions/adapter.ts";
import { type FalconOptions, startFalcon } from "./fakes/crowdstrike.ts";
import { tryAdapter } from "./try-adapter.ts";

export const request: AdapterRequest = { requestId: "request-1", target: "host-77", params: {} };

/** Tries an adapter at a Falcon that is as the options say. */
export async function tryFalcon(
  adapter: Adapter,
  params: JsonObject = {},
  options: FalconOptions & { target?: string } = {},
) {
  const fake = await startFalcon(options);
  onTestFinished(() => fake.close());
  const target = options.target ?? "host-77";
  const outcome = await tryAdapter({ adapter, request: { ...request, target, params }, fake });
  expect(fake.mistakes).toEqual([]);
  return { fake, ...outcome };
}
