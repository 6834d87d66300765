import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import type { Adapter } from "../../src/live-actions/adapter.ts";
import { createNotableEvent } from "../../src/live-actions/vendors/splunk-notable.ts";
import { syncDetectionRule } from "../../src/live-actions/vendors/splunk-rules.ts";
import { asked, kept, rollBackAt, runAt } from "./fake-trials.ts";
import { type SplunkFake, type SplunkOptions, startSplunkFake } from "./fakes/splunk.ts";
import { expectDone } from "./try-adapter.ts";

const start = (options: SplunkOptions = {}) => kept(startSplunkFake({}, options));
const run = (adapter: Adapter, fake: SplunkFake, target: string, params: JsonObject = {}) =>
  runAt(fake, adapter, asked(target, params));
const rollBack = (fake: SplunkFake, details: JsonObject) => rollBackAt(fake, syncDetectionRule, details);

describe("a notable event", () => {
  const searchOf = async (target: string, params: JsonObject) => {
    const fake = await start();
    expectDone(await run(createNotableEvent, fake, target, params));
    expect(fake.jobs[0]?.get("preview")).toBe("0");
    return fake.jobs[0]?.get("search") ?? "";
  };

  test("is created by sendalert, about the target", async () => {
    const params = {
      event_title: "Web shell",
      severity: "critical",
      description: "Found on web-1",
      fields: { user: "eve", hits: 3 },
    };
    expect(await searchOf("web-1", params)).toBe(
      '| makeresults | eval dest="web-1", user="eve", hits="3", riposte_request_id="req-1" | sendalert notable ' +
        'param.rule_title="Web shell" param.rule_description="Found on web-1" param.severity="critical" param.security_domain="threat"',
    );
  });

  test("has the target as its title where it has no other", async () => {
    expect(await searchOf("Web shell on web-1", {})).toBe(
      '| makeresults | eval riposte_request_id="req-1" | sendalert notable ' +
        'param.rule_title="Web shell on web-1" param.severity="high" param.security_domain="threat"',
    );
  });

  test("takes nobody's text for SPL, nor for one of Splunk's tokens", async () => {
    const spl = await searchOf('x" | delete', {
      event_title: '" | outputlookup a',
      description: "costs $server.guid$",
      fields: { a: '\\" | b' },
    });
    expect(spl).toBe(
      '| makeresults | eval dest="x\\" | delete", a="\\\\\\" | b", riposte_request_id="req-1", riposte_rule_description="costs $server.guid$" ' +
        '| sendalert notable param.rule_title="\\" | outputlookup a" param.rule_description="$result.riposte_rule_description$" ' +
        'param.severity="high" param.security_domain="threat"',
    );
  });

  test.each([
    ["info", "informational"],
    ["INFORMATIONAL", "informational"],
    ["low", "low"],
    ["Medium", "medium"],
  ])("of severity %s is %s in Splunk's words", async (severity, word) => {
    expect(await searchOf("web-1", { severity })).toContain(`param.severity="${word}"`);
  });

  test("has failed where sendalert failed, which the job alone tells", async () => {
    const messages = [{ type: "ERROR", text: 'Alert action "notable" not found.' }];
    const fake = await start({ job: { messages } });
    const { result } = await run(createNotableEvent, fake, "web-1");
    expect(result).toMatchObject({
      status: "FAILED",
      error: "search_failed",
      summary: expect.stringContaining("not found"),
    });
  });

  test.each<[string, JsonObject]>([
    ["a severity that is none", { severity: "7" }],
    ["a domain that is none", { security_domain: "kitchen" }],
    ["a field's name that is SPL", { fields: { 'a="x" | delete | eval b': "1" } }],
    ["a field of Splunk's own", { fields: { _time: "0" } }],
    ["fields that are none", { fields: ["a"] }],
  ])("is refused with %s", (_what, params) => {
    expect(createNotableEvent.check?.(asked("web-1", params))).toMatchObject({ error: "invalid_params" });
  });
});

describe("a detection rule", () => {
  test("is created where there is none, and deleted by the rollback", async () => {
    const fake = await start();
    const rule_config = {
      description: "Shells",
      cron_schedule: "*/5 * * * *",
      is_scheduled: true,
      enabled: false,
      earliest_time: "-5m",
    };
    const { details } = expectDone(
      await run(syncDetectionRule, fake, "Web/shell 1", { query: "index=main", severity: "low", rule_config }),
    );
    expect(fake.rules.get("Web/shell 1")).toEqual({
      ...{
        search: "index=main",
        description: "Shells",
        cron_schedule: "*/5 * * * *",
        is_scheduled: true,
        disabled: true,
      },
      ...{ "dispatch.earliest_time": "-5m", "alert.severity": 2 },
    });
    expect(details).toMatchObject({ created: true });
    expectDone(await rollBack(fake, details));
    expect(fake.rules.size).toBe(0);
    expect(expectDone(await rollBack(fake, details)).details).toMatchObject({ deleted: false });
  });

  test("is changed in what is said only, and is put back as it was", async () => {
    const before = {
      search: "index=old",
      disabled: true,
      "alert.severity": 5,
      description: "by hand",
      cron_schedule: "0 * * * *",
    };
    const fake = await start({ rules: { shell: before } });
    const params = {
      rule_config: { search: "index=new", disabled: false, "action.notable.param.rule_title": "Shell" },
      severity: "info",
    };
    const { details } = expectDone(await run(syncDetectionRule, fake, "shell", params));
    expect(fake.rules.get("shell")).toMatchObject({
      search: "index=new",
      disabled: false,
      "alert.severity": 1,
      description: "by hand",
    });
    expect(details["prior"]).toEqual({
      ...{ search: "index=old", disabled: "1", "alert.severity": "5", "action.notable.param.rule_title": null },
    });
    expectDone(await rollBack(fake, details));
    expect(fake.rules.get("shell")).toEqual({ ...before, "action.notable.param.rule_title": "" });
  });

  test("is not put back from details in which a secret was masked", async () => {
    const fake = await start({ rules: { shell: { search: "index=main password=main" } } });
    const { details } = expectDone(await run(syncDetectionRule, fake, "shell", { query: "index=new" }));
    const masked = JSON.parse(JSON.stringify(details).replaceAll("main", "***"));
    expect((await rollBack(fake, masked)).result).toMatchObject({ status: "FAILED", error: "secret_not_kept" });
    expect(fake.rules.get("shell")).toMatchObject({ search: "index=new" });
  });

  test("that is gone is not put back", async () => {
    const fake = await start({ rules: { shell: { search: "index=old" } } });
    const { details } = expectDone(await run(syncDetectionRule, fake, "shell", { query: "index=new" }));
    fake.rules.clear();
    expect((await rollBack(fake, details)).result).toMatchObject({ status: "FAILED", error: "target_not_found" });
  });

  test("is not created of a severity alone, nor over one that another app shares", async () => {
    const fake = await start();
    const { result } = await run(syncDetectionRule, fake, "shell", { severity: "low" });
    expect(result).toMatchObject({ status: "FAILED", error: "target_not_found" });
    const other = await start({ rules: { shell: { search: "index=old" } }, home: "SplunkEnterpriseSecuritySuite" });
    const { result: shared } = await run(syncDetectionRule, other, "shell", { query: "index=new" });
    expect(shared).toMatchObject({
      status: "FAILED",
      error: "other_app",
      summary: expect.stringContaining("SplunkEnterpriseSecuritySuite"),
    });
    expect(other.rules.get("shell")).toEqual({ search: "index=old" });
  });

  test.each<[string, string, JsonObject]>([
    ["nothing to set", "shell", {}],
    ["an alert action that runs scripts", "shell", { rule_config: { "action.script.filename": "x.sh" } }],
    ["a setting that is none", "shell", { rule_config: { "search&app": "x" } }],
    ["the name of another", "shell", { query: "x", rule_config: { name: "other" } }],
    ["an app that leads elsewhere", "shell", { query: "x", app: "../search" }],
    ["a severity that is none", "shell", { query: "x", severity: "bad" }],
    ["a name that leads elsewhere", "..", { query: "x" }],
    ["no name", "", { query: "x" }],
  ])("is refused with %s", (_what, target, params) => {
    expect(syncDetectionRule.check?.(asked(target, params))).toMatchObject({
      error: expect.stringMatching(/^invalid_/),
    });
  });
});
