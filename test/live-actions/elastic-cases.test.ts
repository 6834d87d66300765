import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import { searchElastic } from "../../src/live-actions/vendors/elastic-search.ts";
import { updateWatcher } from "../../src/live-actions/vendors/elastic-watches.ts";
import { asked, firstRequest, kept, rollBackAt, runAt, withCredentials } from "./fake-trials.ts";
import { type ElasticFake, type ElasticOptions, startElasticFake } from "./fakes/elastic.ts";
import { expectDone } from "./try-adapter.ts";

const start = (options: ElasticOptions = {}) => kept(startElasticFake({}, options));
const search = (fake: ElasticFake, target: string, params: JsonObject = {}) =>
  runAt(fake, searchElastic, asked(target, params));
const update = (fake: ElasticFake, target: string, params: JsonObject) =>
  runAt(fake, updateWatcher, asked(target, params));
const numbered = (count: number) => Array.from({ length: count }, (_, index) => ({ n: index }));

describe("Elasticsearch", () => {
  test("is asked with a user's name and password", async () => {
    expectDone(await search(await start({ signIn: "password" }), "web-1"));
  });

  test.each([
    [{ elastic_host: "elastic.example" }, "https://elastic.example:9200/*/_search"],
    [{ elastic_host: "http://elastic.example:9201" }, "http://elastic.example:9201/*/_search"],
    [
      { elastic_url: "https://proxy.example/es/", elastic_index: "logs-*,a/../b" },
      "https://proxy.example/es/logs-*%2Ca%2F..%2Fb/_search",
    ],
  ])("is found with %j", async (credentials, url) => {
    const sent = await firstRequest(searchElastic, asked("web-1"), { ...credentials, elastic_api_key: "key" });
    expect(sent.url.href).toBe(url);
    expect(sent.headers?.["authorization"]).toBe("ApiKey key");
    expect(sent.allowsUntrustedCertificate).toBeUndefined();
  });

  test("may have a certificate of its own where that is said", async () => {
    const credentials = { elastic_url: "https://elastic.example", elastic_api_key: "key", elastic_verify_ssl: "false" };
    expect((await firstRequest(searchElastic, asked("web-1"), credentials)).allowsUntrustedCertificate).toBe(true);
  });

  test.each([
    [{ elastic_url: "ftp://elastic.example" }],
    [{ elastic_index: ".." }],
    [{ elastic_index: "_snapshot" }],
    [{ elastic_index: "logs, _security" }],
    [{ elastic_verify_ssl: "maybe" }],
  ])("is not asked with %j", async (credentials) => {
    const fake = await start();
    const { result } = await search(withCredentials(fake, credentials), "web-1");
    expect(result).toMatchObject({ status: "FAILED", error: "invalid_params" });
    expect(fake.calls).toEqual([]);
  });
});

describe("a search in Elasticsearch", () => {
  test("runs ES|QL as it is, with a limit that no comment swallows", async () => {
    const fake = await start();
    const query = 'FROM logs-* | WHERE host.name == "web-1" // all of them';
    expectDone(await search(fake, "x", { query, max_results: 10 }));
    expect(fake.searches).toEqual([{ query: `${query}\n| LIMIT 10` }]);
  });

  test("counts what it does not show", async () => {
    const fake = await start({ rows: numbered(60), count: 4_711 });
    const { details } = expectDone(await search(fake, "x", { query: "FROM logs-*", max_results: 10_000 }));
    expect(details).toMatchObject({ result_count: 4_711, results: numbered(50), results_shown: 50 });
    const few = expectDone(await search(fake, "x", { query: "FROM logs-*", max_results: 7 }));
    expect(few.details).toMatchObject({ result_count: 7, results: numbered(7) });
    expect(fake.searches).toHaveLength(3);
  });

  test("takes a query string where that is said", async () => {
    const fake = await start({ rows: numbered(60), count: 600 });
    const params = { query: 'host.name:"web-1" AND NOT user:eve', use_esql: false };
    const { details } = expectDone(await search(fake, "x", params));
    expect(fake.searches).toMatchObject([
      { query: { query_string: { query: params.query } }, size: 50, track_total_hits: 500 },
    ]);
    expect(details).toMatchObject({ language: "query_string", result_count: 500, results_shown: 50 });
    expect((details["results"] as JsonObject[])[0]).toEqual({ _index: "logs-1", _id: "0", _source: { n: 0 } });
  });

  test("is for the target as a phrase where there is no query, whatever stands in it", async () => {
    const fake = await start();
    const target = 'web-1" OR *:* \\ {"x"}';
    const { summary } = expectDone(await search(withCredentials(fake, { elastic_index: "logs-*" }), target));
    expect(fake.searches).toMatchObject([{ query: { multi_match: { query: target, type: "phrase" } } }]);
    expect(fake.calls[0]?.url.pathname).toBe("/logs-*/_search");
    expect(summary).toContain("phrase");
  });

  test.each<[string, JsonObject, JsonObject]>([
    ["is partial", { query: "FROM logs-*" }, { is_partial: true }],
    ["took too long", {}, { timed_out: true }],
    ["lacks a shard", {}, { _shards: { total: 2, failed: 1 } }],
  ])("says when the answer %s", async (_what, params, answer) => {
    const { warnings } = expectDone(await search(await start({ answer }), "web-1", params));
    expect(warnings).toEqual([expect.stringContaining("in part")]);
  });

  test.each<[string, string, JsonObject]>([
    ["neither a query nor a target", " ", {}],
    ["a query that is no text", "web-1", { query: { match_all: {} } }],
    ["a language that is guessed", "web-1", { query: "x", use_esql: "kql" }],
    ["no results", "web-1", { max_results: 0 }],
  ])("is refused with %s", (_what, target, params) => {
    expect(searchElastic.check?.(asked(target, params))).toMatchObject({ error: expect.stringMatching(/^invalid_/) });
  });
});

describe("a watch", () => {
  const former = { trigger: { schedule: { interval: "1h" } } };
  const watcher_body = {
    trigger: { schedule: { interval: "5m" } },
    input: { http: { auth: { basic: { password: "hunter2-of-the-watch" } } } },
  };

  test("is created where there is none, and deleted by the rollback", async () => {
    const fake = await start();
    const outcome = await update(fake, "x", { watcher_id: "a/b-ü", watcher_body });
    const { details } = expectDone(outcome);
    expect(fake.watches.get("a/b-ü")).toMatchObject({ watch: watcher_body, active: true });
    expect(JSON.stringify(details)).not.toContain("hunter2");
    expectDone(await rollBackAt(fake, updateWatcher, details));
    expect(fake.watches.size).toBe(0);
    expect(expectDone(await rollBackAt(fake, updateWatcher, details)).details).toMatchObject({ deleted: false });
  });

  test.each([[true], [false]])("stays as it was where it is not to be activated (active: %s)", async (active) => {
    const fake = await start({ watches: { shells: { watch: former, active } } });
    const { details } = expectDone(await update(fake, "shells", { watcher_body, activate: false }));
    expect(fake.watches.get("shells")).toMatchObject({ watch: watcher_body, active });
    expect(fake.calls.map(({ name }) => name)).not.toContain("PUT /_watcher/watch/shells/_activate");
    expect(details).toMatchObject({ activated: active });
  });

  test("that is new and not to be activated is not active", async () => {
    const fake = await start();
    expectDone(await update(fake, "shells", { watcher_body, activate: false }));
    expect(fake.watches.get("shells")?.active).toBe(false);
  });

  test("is put back as it was, with whether it was active", async () => {
    const fake = await start({ watches: { shells: { watch: former, active: true } } });
    const { details } = expectDone(await update(fake, "shells", { watcher_body }));
    expectDone(await rollBackAt(fake, updateWatcher, details));
    expect(fake.watches.get("shells")).toMatchObject({ watch: former, active: true });
  });

  test("with a secret that nobody is shown is not put back without it", async () => {
    const hidden = { input: { http: { auth: { basic: { password: "::es_redacted::" } } } } };
    const fake = await start({ watches: { shells: { watch: hidden, active: true } } });
    const { details, warnings } = expectDone(await update(fake, "shells", { watcher_body }));
    expect(warnings).toEqual([expect.stringContaining("secret")]);
    const { result } = await rollBackAt(fake, updateWatcher, details);
    expect(result).toMatchObject({ status: "FAILED", error: "secret_not_kept" });
    expect(fake.watches.get("shells")).toMatchObject({ watch: watcher_body });
  });

  test("is not put back from details in which a secret was masked", async () => {
    const fake = await start({ watches: { shells: { watch: { note: "hunter2" }, active: true } } });
    const { details } = expectDone(await update(fake, "shells", { watcher_body }));
    const masked = JSON.parse(JSON.stringify(details).replace("hunter2", "***"));
    const { result } = await rollBackAt(fake, updateWatcher, masked);
    expect(result).toMatchObject({ status: "FAILED", error: "secret_not_kept" });
    expect(fake.watches.get("shells")).toMatchObject({ watch: watcher_body });
  });

  test("that does not become active has not been updated as asked, and can be put back", async () => {
    const fake = await start({ watches: { shells: { watch: former, active: false } }, refusesToActivate: true });
    const { result } = await update(fake, "shells", { watcher_body });
    const kept = { prior: { watch: former } };
    expect(result).toMatchObject({ status: "FAILED", error: "not_activated", isPartial: true, details: kept });
    expectDone(await rollBackAt(fake, updateWatcher, result?.details ?? {}));
    expect(fake.watches.get("shells")).toMatchObject({ watch: former });
  });

  test.each<[string, string, JsonObject]>([
    ["no body", "shells", {}],
    ["a body that is none", "shells", { watcher_body: "x" }],
    ["an id with blanks", "my shells", { watcher_body }],
    ["an id that leads elsewhere", "..", { watcher_body }],
    ["a flag that is guessed", "shells", { watcher_body, activate: "maybe" }],
  ])("is refused with %s", (_what, target, params) => {
    expect(updateWatcher.check?.(asked(target, params))).toMatchObject({ error: expect.stringMatching(/^invalid_/) });
  });
});
