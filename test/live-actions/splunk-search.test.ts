import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import { searchSplunk } from "../../src/live-actions/vendors/splunk-search.ts";
import { asked, firstRequest, kept, runAt, withCredentials } from "./fake-trials.ts";
import { job, jobs, results, type SplunkFake, type SplunkOptions, startSplunkFake } from "./fakes/splunk.ts";
import { expectDone } from "./try-adapter.ts";

const start = (options: SplunkOptions = {}) => kept(startSplunkFake({}, options));
const run = (fake: SplunkFake, target: string, params: JsonObject = {}) =>
  runAt(fake, searchSplunk, asked(target, params));

describe("Splunk", () => {
  test("is asked with a token, without signing in", async () => {
    const fake = await start({ signIn: "token", results: [{ a: "b" }] });
    expectDone(await run(fake, "web-1"));
    expect(fake.calls.map(({ name }) => name)).toEqual([jobs, job, results]);
  });

  test.each([
    [{ splunk_host: "splunk.example" }, "https://splunk.example:8089/services/search/jobs", undefined],
    [{ splunk_host: "splunk.example:443" }, "https://splunk.example/services/search/jobs", undefined],
    [{ splunk_host: "10.0.0.7:9000" }, "https://10.0.0.7:9000/services/search/jobs", undefined],
    [{ splunk_host: "http://splunk.example:8089" }, "http://splunk.example:8089/services/search/jobs", undefined],
    [{ splunk_url: "https://proxy.example/splunk/" }, "https://proxy.example/splunk/services/search/jobs", undefined],
    [
      { splunk_host: "[2001:db8::7]", splunk_verify_ssl: "false" },
      "https://[2001:db8::7]:8089/services/search/jobs",
      true,
    ],
  ])("is found with %j", async (credentials, url, allowsUntrustedCertificate) => {
    const sent = await firstRequest(searchSplunk, asked("web-1"), { ...credentials, splunk_token: "token" });
    expect(sent.url.href).toBe(url);
    expect(sent.allowsUntrustedCertificate).toBe(allowsUntrustedCertificate);
  });

  test.each([
    ["file:///etc/passwd"],
    ["https://user:secret@splunk.example"],
    ["splunk example"],
    ["https://a.example/?x=1"],
  ])("is not asked at %s", async (splunk_url) => {
    const fake = await start();
    const { result } = await run(withCredentials(fake, { splunk_url }), "web-1");
    expect(result).toMatchObject({ status: "FAILED", error: "invalid_params" });
    expect(fake.calls).toEqual([]);
  });
});

describe("a search in Splunk", () => {
  test("is for the target as a phrase where there is no query, and says so", async () => {
    const fake = await start();
    const { summary, details } = expectDone(await run(fake, 'web-1" | delete'));
    expect(fake.jobs[0]?.get("search")).toBe('search "web-1\\" | delete"');
    expect(summary).toContain("phrase");
    expect(details).toMatchObject({ result_count: 0, results: [] });
  });

  test("leaves SPL that begins with a pipe as it is, and hands over times and bounds", async () => {
    const fake = await start();
    const query = "| tstats count where index=* by host";
    expectDone(await run(fake, "", { query, max_results: 7, earliest_time: "-7d@d", latest_time: "-1d" }));
    expect(Object.fromEntries(fake.jobs[0] ?? [])).toEqual({
      ...{ search: query, earliest_time: "-7d@d", latest_time: "-1d", max_count: "7", max_time: "100" },
      ...{ exec_mode: "blocking", output_mode: "json" },
    });
  });

  test("covers the last day where nothing is said", async () => {
    const fake = await start();
    expectDone(await run(fake, "web-1"));
    const form = fake.jobs[0];
    expect([form?.get("earliest_time"), form?.get("latest_time"), form?.get("max_count")]).toEqual([
      "-24h",
      "now",
      "500",
    ]);
  });

  test("is kept to the stored index", async () => {
    const fake = await start();
    expectDone(await run(withCredentials(fake, { splunk_index: "main" }), "web-1"));
    expect(fake.jobs[0]?.get("search")).toBe('search index="main" "web-1"');
  });

  test("shows the first 50 results, and how many there are", async () => {
    const rows = Array.from({ length: 60 }, (_, index) => ({ index: String(index) }));
    const fake = await start({ results: rows, resultCount: 4_711 });
    const { details } = expectDone(await run(fake, "web-1"));
    expect(details).toMatchObject({ result_count: 4_711, results: rows.slice(0, 50), results_shown: 50 });
  });

  test("shows no more of large results than a result may hold", async () => {
    const rows = Array.from({ length: 10 }, () => ({ _raw: "x".repeat(60_000) }));
    const fake = await start({ results: rows });
    expect(expectDone(await run(fake, "web-1")).details).toMatchObject({
      result_count: 10,
      results_shown: 4,
    });
  });

  test("that Splunk gave up has failed, though it has results: none", async () => {
    const messages = [
      { type: "INFO", text: "some words" },
      { type: "FATAL", text: "Error in 'foo' command" },
    ];
    const fake = await start({ job: { isFailed: true, dispatchState: "FAILED", messages } });
    const { result } = await run(fake, "web-1");
    expect(result).toMatchObject({
      status: "FAILED",
      error: "search_failed",
      summary: expect.stringContaining("'foo'"),
    });
    expect(fake.calls.map(({ name }) => name)).not.toContain(results);
  });

  test("says what Splunk warned of, and that it was cut short", async () => {
    const fake = await start({ job: { isFinalized: true, messages: [{ type: "WARN", text: "indexer 2 is away" }] } });
    const { warnings } = expectDone(await run(fake, "web-1"));
    expect(warnings).toEqual([expect.stringContaining("before its end"), "indexer 2 is away"]);
  });

  test.each<[string, string, JsonObject]>([
    ["a command that writes", "web-1", { query: "index=main | delete" }],
    ["a query that is no text", "web-1", { query: ["index=main"] }],
    ["too many results", "web-1", { max_results: 10_001 }],
    ["neither a query nor a target", " ", {}],
  ])("is refused with %s", (_what, target, params) => {
    expect(searchSplunk.check?.(asked(target, params))).toMatchObject({ error: expect.stringMatching(/^invalid_/) });
  });
});
