import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CanaryWorld } from "./canary-world.ts";
import { canary, linesCanary } from "./forms.ts";

const stored = canary("handed to a plugin");
const given = linesCanary("given, for a plugin");

let world: CanaryWorld;
beforeAll(async () => {
  world = await CanaryWorld.open([], { PLUGINS: [join(import.meta.dirname, "plugins", "talkative.mjs")] });
  await world.mutate("putSecret", "secret { name }", { name: "talkative_token", value: stored });
});
afterAll(() => world.close());

describe("credentials that a plugin is handed", () => {
  test.each(["prints", "throws"])("and %s are found nowhere", async (target) => {
    const params = { talkative_key: given };
    const input = { capability: "isolate_host", vendorId: "talkative", target, params };
    const { dispatch } = await world.mutate<{ dispatch: { id: string } }>(
      "dispatchLiveAction",
      "dispatch { id }",
      input,
    );
    const ended = await world.dispatchEnded(dispatch.id);
    expect(ended.status).toBe("FAILED");
    expect(ended.text).toContain("***");
    const log = async () => (await world.everything()).get("the log") ?? "";
    await expect.poll(log).toMatch(/plugin\.output"/);
    await expect.poll(log).toMatch(/of a very long line: \*\*\*/);
    await world.expectClean(stored, given);
  });
});
