// Elasticsearch on loopback: ES|QL, searches, watches.
import assert from "node:assert/strict";
import { isJsonObject, type Json, type JsonObject } from "../../../src/core/json.ts";
import {
  type Behaviour,
  type FakeAnswer,
  type FakeCall,
  type FakeRoute,
  startVendorFake,
  type VendorFake,
} from "./vendor-fake.ts";

export interface ElasticOptions {
  readonly signIn?: "key" | "password";
  /** What any search finds. */
  readonly rows?: readonly JsonObject[];
  /** How many there are, where not all are in `rows`. */
  readonly count?: number;
  /** Laid over the answer to any search. */
  readonly answer?: JsonObject;
  readonly watches?: Readonly<Record<string, Watch>>;
  /** Watches are never active, whatever is asked. */
  readonly refusesToActivate?: boolean;
}

export interface Watch {
  readonly watch: JsonObject;
  readonly active: boolean;
}

export interface ElasticFake extends VendorFake {
  readonly watches: Map<string, Watch & { readonly version: number }>;
  /** Bodies of the searches. */
  readonly searches: JsonObject[];
}

const key = "ZmFrZS1pZDpmYWtlLWVsYXN0aWMta2V5";

export async function startElasticFake(behaviour: Behaviour, options: ElasticOptions = {}): Promise<ElasticFake> {
  const watches: ElasticFake["watches"] = new Map(
    Object.entries(options.watches ?? {}).map(([id, watch]) => [id, { ...watch, version: 1 }]),
  );
  const searches: JsonObject[] = [];
  const ways = {
    key: { authorization: `ApiKey ${key}`, credentials: { elastic_api_key: key } },
    password: {
      authorization: `Basic ${Buffer.from("riposte:elastic:password ü").toString("base64")}`,
      credentials: { elastic_username: "riposte", elastic_password: "elastic:password ü" },
    },
  };
  const way = ways[options.signIn ?? "key"];
  const signed = (route: FakeRoute): FakeRoute => ({
    ...route,
    answer: (call, match) => {
      if (call.headers.authorization !== way.authorization)
        return refusal(401, "security_exception", "unable to authenticate");
      return route.answer(call, match);
    },
  });
  const routes = [...searchRoutes(searches, options), ...watchRoutes(watches, options)].map(signed);
  const credentials = (origin: string) => ({ elastic_url: origin, ...way.credentials });
  return Object.assign(await startVendorFake({ behaviour, routes, credentials }), { watches, searches });
}

function bodyOf({ body, headers }: FakeCall): JsonObject {
  assert.equal(headers["content-type"], "application/json");
  const parsed: Json = JSON.parse(body);
  assert.ok(isJsonObject(parsed));
  return parsed;
}

function searchRoutes(searches: JsonObject[], { rows = [], count = rows.length, answer }: ElasticOptions): FakeRoute[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return [
    {
      method: "POST",
      path: /^\/_query$/,
      answer: (call) => {
        assert.equal(call.url.search, "?format=json&drop_null_columns=true");
        const body = bodyOf(call);
        searches.push(body);
        const [, limit = "0", counts] =
          /\n\| LIMIT (\d+)(\n\| STATS riposte_count = COUNT\(\*\))?$/.exec(String(body["query"])) ?? [];
        assert.ok(Number(limit) > 0, "a query without a limit");
        const values = counts
          ? [[Math.min(count, Number(limit))]]
          : rows.slice(0, Number(limit)).map((row) => names.map((name) => row[name] ?? null));
        const columns = counts
          ? [{ name: "riposte_count", type: "long" }]
          : names.map((name) => ({ name, type: "keyword" }));
        return { json: { took: 1, is_partial: false, columns, values, ...answer } };
      },
    },
    {
      method: "POST",
      path: /^\/([^/]+)\/_search$/,
      answer: (call) => {
        const body = bodyOf(call);
        searches.push(body);
        const hits = rows
          .slice(0, Number(body["size"]))
          .map((_source, index) => ({ _index: "logs-1", _id: String(index), _score: 1, _source }));
        const total = { value: Math.min(count, Number(body["track_total_hits"])), relation: "eq" };
        return {
          json: { took: 1, timed_out: false, _shards: { total: 1, failed: 0 }, hits: { total, hits }, ...answer },
        };
      },
    },
  ];
}

function watchRoutes(watches: ElasticFake["watches"], { refusesToActivate }: ElasticOptions): FakeRoute[] {
  const one = /^\/_watcher\/watch\/([^/]+)$/;
  const idOf = (match: RegExpExecArray) => decodeURIComponent(match[1] ?? "");
  const positionOf = (version: number) => ({ _seq_no: version, _primary_term: 1, _version: version });
  return [
    {
      method: "GET",
      path: one,
      answer: (_call, match) => {
        const found = watches.get(idOf(match));
        if (!found) return { status: 404, json: { found: false, _id: idOf(match) } };
        const { watch, active, version } = found;
        return {
          json: { found: true, _id: idOf(match), ...positionOf(version), status: { state: { active } }, watch },
        };
      },
    },
    {
      method: "PUT",
      path: one,
      answer: (call, match) => {
        const before = watches.get(idOf(match));
        const watch = bodyOf(call);
        const position = call.url.searchParams.get("if_seq_no");
        if (position !== null && position !== String(before?.version))
          return refusal(409, "version_conflict_engine_exception", "changed since");
        const active = call.url.searchParams.get("active") === "true" && !refusesToActivate;
        const version = (before?.version ?? 0) + 1;
        watches.set(idOf(match), { watch, active, version });
        return { status: before ? 200 : 201, json: { _id: idOf(match), ...positionOf(version), created: !before } };
      },
    },
    {
      method: "PUT",
      path: /^\/_watcher\/watch\/([^/]+)\/_activate$/,
      answer: (_call, match) => {
        const found = watches.get(idOf(match));
        if (!found) return refusal(404, "resource_not_found_exception", "no such watch");
        watches.set(idOf(match), { ...found, active: !refusesToActivate });
        return { json: { status: { state: { active: !refusesToActivate } } } };
      },
    },
    {
      method: "DELETE",
      path: one,
      answer: (_call, match) => {
        const found = watches.delete(idOf(match));
        return { status: found ? 200 : 404, json: { _id: idOf(match), found } };
      },
    },
  ];
}

function refusal(status: number, type: string, reason: string): FakeAnswer {
  return { status, json: { error: { type, reason, root_cause: [{ type, reason }] }, status } };
}
