import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { pluginDirectory, pluginWorld } from "./plugin-world.ts";

const setups = pathToFileURL(path.join(pluginDirectory, "setups.mjs")).href;

async function problemOf(...modules: string[]): Promise<string> {
  const started = await pluginWorld(...modules).then(
    (world) => world.stop().then(() => "It started."),
    (error: Error) => error.message,
  );
  return started;
}

describe("the start of plugins", () => {
  test.each([
    ["throws", "setup threw RangeError: No licence."],
    ["exits", "its setup did not end: it ended with code 0."],
    ["registersNothing", "its setup registered no executor."],
    ["registersText", "setup threw TypeError: registerExecutor takes an object."],
    ["hasNoExecute", "setup threw TypeError: An executor has a method execute."],
    ["hasNoVendor", "the executor /get_host: vendorId is empty."],
    ["hasNoCapability", "the executor setups/?: capability is missing."],
    ["hasNoDescription", "the executor setups/get_host: description is empty."],
    ["hasOddImpact", "the executor setups/get_host: impact is not one of READ_ONLY, LOW, MODERATE, HIGH, SEVERE."],
    [
      "hasNoCredentials",
      "the executor setups/get_host requires credentials, and credentialParams names none that is required.",
    ],
    ["registersTwice", "setup threw TypeError: The plugin registers setups/get_host twice."],
    ["isMissing", "it exports no function setup."],
    ["loops", "its setup did not end within 10 s."],
  ])("refuses one whose setup does this: %s", async (query, problem) => {
    const module = `${setups}?${query}`;
    expect(await problemOf("good.ts", module)).toBe(`PLUGINS names what can't be used:\n  ${module}: ${problem}`);
  });

  test("refuses a pair that is there already, and names where both come from", async () => {
    const message = await problemOf(`${setups}?isBuiltin`);
    expect(message).toContain(
      `crowdstrike/isolate_host of ${setups}?isBuiltin is registered already: crowdstrike/isolate_host of Riposte.`,
    );
    const both = await problemOf("good.ts", `${setups}?isGood`);
    expect(both).toContain(`good/get_host of ${setups}?isGood is registered already: good/get_host of good.ts.`);
  });

  test("lets no plugin ask for the credentials of another vendor", async () => {
    expect(await problemOf(`${setups}?takesCredentials`)).toContain(
      "asks for okta_api_token, which is a credential of okta/",
    );
  });

  test("names every plugin that can't be used, and what is wrong with where it should be", async () => {
    const problem = await problemOf("./nowhere.ts", "no-such-package", pluginDirectory, "good.ts", "good.ts");
    expect(problem.split("\n")).toEqual([
      "PLUGINS names what can't be used:",
      `  ./nowhere.ts: there is no file ${path.join(pluginDirectory, "nowhere.ts")}.`,
      expect.stringContaining("  no-such-package: it can't be imported: Error: Cannot find package 'no-such-package'"),
      `  ${pluginDirectory}: ${pluginDirectory} is a directory. Name the module's file in it.`,
      "  good.ts: it is named twice.",
    ]);
  });
});
