// Microsoft Defender for Endpoint as far as the adapters know it: sign-in at Entra, machines, their actions, and indicators.
import assert from "node:assert/strict";
import type { Json, JsonObject } from "../../../src/core/json.ts";
import { type Behaviour, type FakeAnswer, type FakeCall, type FakeRoute, startVendorFake } from "./vendor-fake.ts";

export const defenderSecret = "defender-secret-0123456789";
export const machineId = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";

export interface FakeMachine {
  readonly id: string;
  readonly computerDnsName: string;
  readonly healthStatus: string;
}

export interface FakeAction {
  readonly id: string;
  readonly type: string;
  readonly scope: string | null;
  readonly machineId: string;
  readonly requestorComment: string;
  status: string;
}

export interface DefenderOptions extends Behaviour {
  /** Besides `host-77.corp.example`. */
  readonly machines?: readonly FakeMachine[];
  readonly actions?: readonly FakeAction[];
  readonly indicators?: readonly JsonObject[];
  /** How an action ends, and after how many looks at it. */
  readonly ending?: string;
  readonly looksUntilEnded?: number;
}

export interface DefenderFake extends Awaited<ReturnType<typeof startVendorFake>> {
  readonly actions: readonly FakeAction[];
  readonly indicators: readonly JsonObject[];
}

interface State {
  readonly options: DefenderOptions;
  readonly machines: readonly FakeMachine[];
  readonly actions: FakeAction[];
  readonly indicators: JsonObject[];
  readonly tokens: Set<string>;
}

export async function startDefender(options: DefenderOptions = {}): Promise<DefenderFake> {
  const host = { id: machineId, computerDnsName: "host-77.corp.example", healthStatus: "Active" };
  const state: State = {
    options,
    machines: [...(options.lacksTarget ? [] : [host]), ...(options.machines ?? [])],
    actions: [...(options.actions ?? [])],
    indicators: [...(options.indicators ?? [])],
    tokens: new Set(),
  };
  const fake = await startVendorFake({
    behaviour: options,
    routes: [signIn(state), ...machineRoutes(state), ...actionRoutes(state), ...indicatorRoutes(state)],
    credentials: (origin) => ({
      mde_tenant_id: "contoso.example",
      mde_client_id: "client-1",
      mde_client_secret: defenderSecret,
      mde_base_url: origin,
      mde_login_url: `${origin}/login`,
    }),
  });
  return Object.assign(fake, { actions: state.actions, indicators: state.indicators });
}

function signIn({ tokens }: State): FakeRoute {
  return {
    method: "POST",
    path: /^\/login\/contoso\.example\/oauth2\/v2\.0\/token$/,
    answer: ({ headers, body }) => {
      assert.equal(headers["content-type"], "application/x-www-form-urlencoded");
      assert.deepEqual(Object.fromEntries(new URLSearchParams(body)), {
        grant_type: "client_credentials",
        client_id: "client-1",
        client_secret: defenderSecret,
        scope: "https://api.securitycenter.microsoft.com/.default",
      });
      const token = `defender-token-${tokens.size}-abcdefgh`;
      tokens.add(token);
      return { json: { token_type: "Bearer", expires_in: 3599, access_token: token } };
    },
  };
}

type Read = (call: FakeCall, id: string) => FakeAnswer;

/** A route that only who signed in may ask; `{id}` in its path stands for what the path says there. The name is without the query. */
function route(state: State, method: string, path: string, read: Read): FakeRoute {
  return {
    method,
    path: new RegExp(`^${path.replaceAll("/", "\\/").replace("{id}", "([\\w-]+)")}$`),
    name: () => `${method} ${path}`,
    answer: (call, match) => {
      assert.ok(state.tokens.has(call.headers.authorization?.replace(/^Bearer /, "") ?? ""), "a token of this fake");
      return read(call, match[1] ?? "");
    },
  };
}

const notFound = (message: string): FakeAnswer => ({
  status: 404,
  json: { error: { code: "ResourceNotFound", message, target: "43f4cb08" } },
});

function list(value: readonly Json[]): FakeAnswer {
  return { json: { "@odata.context": "https://api.security.microsoft.com/api/$metadata", value } };
}

function machineRoutes(state: State): FakeRoute[] {
  return [
    route(state, "GET", "/api/machines", ({ url }) => {
      const found = matching(url, state.machines, "or");
      return found.length === 0 ? notFound("no recent machines") : list(found.map((machine) => ({ ...machine })));
    }),
    ...["isolate", "unisolate", "runAntiVirusScan"].map((verb) =>
      route(state, "POST", `/api/machines/{id}/${verb}`, ({ body }, id) => {
        assert.ok(state.machines.some((machine) => machine.id === id));
        const { Comment: comment, IsolationType, ScanType, ...more } = JSON.parse(body) as Record<string, string>;
        assert.deepEqual(more, {});
        // Of a rollback it is the rollback that is named.
        assert.ok(comment && (verb === "unisolate" ? /live action \S+/ : /request-1/).test(comment));
        const type = { isolate: "Isolate", unisolate: "Unisolate", runAntiVirusScan: "RunAntiVirusScan" }[verb]!;
        const scope = { isolate: IsolationType, unisolate: null, runAntiVirusScan: ScanType }[verb] ?? null;
        assert.equal(scope === null, verb === "unisolate");
        const action = { type, scope, machineId: id, requestorComment: comment, status: "Pending" };
        state.actions.push({ id: `action-${state.actions.length}`, ...action });
        return { status: 201, json: { ...state.actions.at(-1)! } };
      }),
    ),
  ];
}

function actionRoutes(state: State): FakeRoute[] {
  let looks = 0;
  return [
    route(state, "GET", "/api/machineactions", ({ url }) =>
      list(matching(url, state.actions, "and").map((a) => ({ ...a }))),
    ),
    route(state, "GET", "/api/machineactions/{id}", (_call, id) => {
      const action = state.actions.find((known) => known.id === id);
      if (!action) return notFound(id);
      if (looks++ >= (state.options.looksUntilEnded ?? 0)) action.status = state.options.ending ?? "Succeeded";
      return { json: { ...action } };
    }),
  ];
}

function indicatorRoutes({ indicators, ...state }: State): FakeRoute[] {
  const all = { indicators, ...state };
  return [
    route(all, "GET", "/api/indicators", ({ url }) => list(matching(url, indicators, "and"))),
    route(all, "POST", "/api/indicators", ({ body }) => {
      const submitted = JSON.parse(body) as Record<string, Json>;
      for (const name of ["indicatorValue", "indicatorType", "action", "title", "description"]) {
        assert.ok(typeof submitted[name] === "string" && submitted[name] !== "", `${name} is required`);
      }
      const { indicatorValue, indicatorType } = submitted;
      const at = indicators.findIndex(
        (i) => i["indicatorValue"] === indicatorValue && i["indicatorType"] === indicatorType,
      );
      const indicator = { id: String(995 + indicators.length), ...indicators[at], ...submitted };
      indicators.splice(at < 0 ? indicators.length : at, 1, indicator);
      return { json: indicator };
    }),
    route(all, "DELETE", "/api/indicators/{id}", (_call, id) => {
      const at = indicators.findIndex((indicator) => indicator["id"] === id);
      if (at < 0) return notFound(id);
      indicators.splice(at, 1);
      return { status: 204 };
    }),
  ];
}

/** Reads a filter of equalities that are all joined in one way: anything that breaks out of a string does not match. */
function matching<T extends object>({ searchParams }: URL, things: readonly T[], joint: "and" | "or"): T[] {
  assert.deepEqual([...searchParams.keys()].sort(), ["$filter", "$top"]);
  const filter = searchParams.get("$filter") ?? "";
  const equality = /(\w+) eq '((?:[^']|'')*)'/su.source;
  assert.match(filter, new RegExp(`^${equality}( ${joint} ${equality})*$`, "su"));
  const equalities = [...filter.matchAll(new RegExp(equality, "gsu"))].map(([, field, text]) => ({
    field: field!,
    text: text!.replaceAll("''", "'"),
  }));
  const holds = (thing: T) => equalities.map(({ field, text }) => (thing as Record<string, unknown>)[field] === text);
  return things.filter((thing) => (joint === "or" ? holds(thing).some(Boolean) : holds(thing).every(Boolean)));
}
