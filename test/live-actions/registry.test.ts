import { describe, expect, test } from "vitest";
import { capabilities } from "../../src/live-actions/capabilities.ts";
import { createRegistry, type Registration } from "../../src/live-actions/registry.ts";
import { scriptedAdapter } from "./adapters.ts";

const builtin: Registration = { source: "BUILTIN", origin: "Riposte" };
const plugin: Registration = { source: "PLUGIN", origin: "plugins/acme.js" };

describe("the registry", () => {
  test("answers what is in it, sorted by vendor, then capability, and forgets what is taken out", () => {
    const registry = createRegistry();
    const none = { credentials: [] };
    registry.register(scriptedAdapter({ vendorId: "zeta", ...none }), builtin);
    const leave = registry.register(scriptedAdapter({ vendorId: "alpha", capability: "run_script", ...none }), plugin);
    registry.register(scriptedAdapter({ vendorId: "alpha", capability: "block_ip", ...none }), builtin);
    const named = () => registry.all().map(({ adapter, source }) => [adapter.vendorId, adapter.capability, source]);
    expect(named()).toEqual([
      ["alpha", "block_ip", "BUILTIN"],
      ["alpha", "run_script", "PLUGIN"],
      ["zeta", "isolate_host", "BUILTIN"],
    ]);
    expect(registry.vendorsOf("isolate_host")).toEqual(["zeta"]);
    expect(registry.vendorsOf("notify")).toEqual([]);
    expect(registry.capabilitiesOf("alpha")).toEqual(["block_ip", "run_script"]);
    leave();
    expect(registry.find("alpha", "run_script")).toBeUndefined();
    expect(registry.capabilitiesOf("alpha")).toEqual(["block_ip"]);
  });

  test("refuses a pair that is there already, and names where both come from", () => {
    const registry = createRegistry();
    registry.register(scriptedAdapter(), builtin);
    expect(() => registry.register(scriptedAdapter(), plugin)).toThrow(
      "acme/isolate_host of plugins/acme.js is registered already: acme/isolate_host of Riposte.",
    );
    expect(registry.all()).toHaveLength(1);
  });

  test.each([
    ["no vendor", { vendorId: "" }, "not lower_snake"],
    ["no capability", { capability: "" }, "not lower_snake"],
    ["a name of another shape", { capability: "Isolate-Host" }, "not lower_snake"],
    ["no description", { description: " " }, "has no description"],
    ["no time", { timeoutMs: 0 }, "no time for a call"],
  ])("refuses an adapter with %s", (_what, fields, message) => {
    expect(() => createRegistry().register(scriptedAdapter(fields), plugin)).toThrow(message);
  });

  test("lets nobody ask for a credential of another vendor", () => {
    const registry = createRegistry();
    registry.register(scriptedAdapter(), builtin);
    const thief = scriptedAdapter({ vendorId: "thief", capability: "get_host" });
    expect(() => registry.register(thief, plugin)).toThrow("acme_id, which is a credential of acme/isolate_host");
    const sibling = scriptedAdapter({ capability: "get_host" });
    expect(() => registry.register(sibling, builtin)).not.toThrow();
  });

  test("wants a vendor's adapters to agree about what is a secret", () => {
    const registry = createRegistry();
    registry.register(scriptedAdapter(), builtin);
    const credentials = [{ name: "acme_token", isRequired: true, isSecret: false, description: "Proves it." }];
    const open = scriptedAdapter({ capability: "get_host", credentials });
    expect(() => registry.register(open, builtin)).toThrow("do not agree whether acme_token is a secret");
  });
});

describe("the taxonomy", () => {
  test("has every verb of the source, each once, and undoes verbs by verbs of its own", () => {
    expect(capabilities.size).toBe(58);
    for (const { reversedBy } of capabilities.values()) {
      if (reversedBy !== undefined) expect([...capabilities.keys()]).toContain(reversedBy);
    }
  });

  test.each([
    ["search_siem", "READ_ONLY", undefined],
    ["run_av_scan", "LOW", undefined],
    ["isolate_host", "HIGH", "unisolate_host"],
    ["block_ip", "HIGH", "allow_ip"],
    ["allow_ip", "MODERATE", "block_ip"],
    ["quarantine_file", "MODERATE", "restore_file"],
    ["disable_user", "HIGH", "enable_user"],
    ["run_script", "SEVERE", undefined],
  ])("says of %s: %s, undone by %s", (name, impact, reversedBy) => {
    expect(capabilities.get(name)).toEqual({ impact, ...(reversedBy === undefined ? {} : { reversedBy }) });
  });
});
