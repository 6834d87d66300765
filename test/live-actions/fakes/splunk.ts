// Splunk's management port on loopback: sessions, search jobs and their results, saved searches.
import assert from "node:assert/strict";
import type { Json, JsonObject } from "../../../src/core/json.ts";
import {
  type Behaviour,
  type FakeAnswer,
  type FakeCall,
  type FakeRoute,
  startVendorFake,
  type VendorFake,
} from "./vendor-fake.ts";

export interface SplunkOptions {
  readonly signIn?: "password" | "token";
  readonly results?: readonly JsonObject[];
  /** More than there are results, where not all fit. */
  readonly resultCount?: number;
  readonly job?: JsonObject;
  readonly rules?: Readonly<Record<string, JsonObject>>;
  /** The app that a saved search is of. */
  readonly home?: string;
}

export interface SplunkFake extends VendorFake {
  /** The forms of the jobs that were started. */
  readonly jobs: URLSearchParams[];
  readonly rules: Map<string, Record<string, Json>>;
}

export const login = "POST /services/auth/login";
export const jobs = "POST /services/search/jobs";
export const job = "GET /services/search/jobs/1700000000.42?output_mode=json";
export const results = "GET /services/search/jobs/1700000000.42/results?output_mode=json&count=50";

const sid = "1700000000.42";
const user = { username: "riposte", password: "splunk-password-1 &=" };
const token = "splunk.jwt.token-1";

export async function startSplunkFake(behaviour: Behaviour, options: SplunkOptions = {}): Promise<SplunkFake> {
  const started: URLSearchParams[] = [];
  const rules = new Map(Object.entries(options.rules ?? {}).map(([name, rule]) => [name, { ...rule }]));
  const sessions: string[] = [];
  const signed =
    (answer: FakeRoute["answer"]): FakeRoute["answer"] =>
    (call, match) => {
      const accepted =
        options.signIn === "token" ? [`Bearer ${token}`] : sessions.map((session) => `Splunk ${session}`);
      if (!accepted.includes(call.headers.authorization ?? "")) return refusal(401, "call not properly authenticated");
      return answer(call, match);
    };
  const routes: FakeRoute[] = [
    {
      method: "POST",
      path: /^\/services\/auth\/login$/,
      answer: (call) => {
        const form = formOf(call);
        if (form.get("username") !== user.username || form.get("password") !== user.password)
          return refusal(401, "Login failed");
        sessions.push(`session-key-${sessions.length + 1}^`);
        return { json: { sessionKey: sessions.at(-1) ?? "", message: "", code: "" } };
      },
    },
    { method: "POST", path: /^\/services\/search\/jobs$/, answer: signed((call) => startJob(formOf(call), started)) },
    { method: "GET", path: /^\/services\/search\/jobs\/1700000000\.42$/, answer: signed(() => jobState(options)) },
    {
      method: "GET",
      path: /^\/services\/search\/jobs\/1700000000\.42\/results$/,
      answer: signed(() => ({ json: { preview: false, results: options.results ?? [], messages: [] } })),
    },
    ...ruleRoutes(rules, options).map((route) => ({ ...route, answer: signed(route.answer) })),
  ];
  const ways = {
    password: { splunk_username: user.username, splunk_password: user.password },
    token: { splunk_token: token },
  };
  const credentials = (origin: string) => ({ splunk_url: origin, ...ways[options.signIn ?? "password"] });
  return Object.assign(await startVendorFake({ behaviour, routes, credentials }), { jobs: started, rules });
}

function formOf({ body, headers }: FakeCall): URLSearchParams {
  assert.equal(headers["content-type"], "application/x-www-form-urlencoded");
  const form = new URLSearchParams(body);
  assert.equal(form.get("output_mode"), "json");
  return form;
}

function startJob(form: URLSearchParams, started: URLSearchParams[]): FakeAnswer {
  assert.equal(form.get("exec_mode"), "blocking");
  const search = form.get("search") ?? "";
  if (!/^(\||search )/.test(search)) return refusal(400, `Unknown search command '${search.split(" ")[0]}'.`);
  started.push(form);
  return { status: 201, json: { sid } };
}

function jobState({ results: rows = [], resultCount = rows.length, job: more }: SplunkOptions): FakeAnswer {
  const content = {
    dispatchState: "DONE",
    isDone: true,
    isFailed: false,
    isFinalized: false,
    resultCount,
    messages: {},
  };
  return { json: { links: {}, entry: [{ name: "a search", content: { ...content, ...more } }] } };
}

/** Their paths hold the name as it was sent: a slash in it has to be encoded. */
function ruleRoutes(rules: Map<string, Record<string, Json>>, { home = "search" }: SplunkOptions): FakeRoute[] {
  const one = /^\/servicesNS\/nobody\/search\/saved\/searches\/([^/]+)$/;
  const nameOf = (match: RegExpExecArray) => decodeURIComponent(match[1] ?? "");
  const show = (name: string, status = 200): FakeAnswer => {
    const entry = { name, acl: { app: home, sharing: "app" }, content: rules.get(name) ?? {} };
    return { status, json: { entry: [entry], messages: [] } };
  };
  const missing = (name: string) => refusal(404, `Could not find object id=${name}`);
  return [
    {
      method: "GET",
      path: one,
      answer: ({ url }, match) => {
        assert.equal(url.searchParams.get("output_mode"), "json");
        return rules.has(nameOf(match)) ? show(nameOf(match)) : missing(nameOf(match));
      },
    },
    {
      method: "POST",
      path: one,
      answer: (call, match) => {
        const form = formOf(call);
        assert.equal(form.has("name"), false, "Splunk renames nothing");
        const rule = rules.get(nameOf(match));
        if (!rule) return missing(nameOf(match));
        set(rule, form);
        return show(nameOf(match));
      },
    },
    {
      method: "POST",
      path: /^\/servicesNS\/nobody\/search\/saved\/searches$/,
      answer: (call) => {
        const form = formOf(call);
        const name = form.get("name") ?? "";
        if (name === "" || rules.has(name)) return refusal(409, `An object with name=${name} already exists`);
        rules.set(name, {});
        set(rules.get(name)!, form);
        return show(name, 201);
      },
    },
    {
      method: "DELETE",
      path: one,
      answer: (_call, match) => (rules.delete(nameOf(match)) ? { json: { entry: [] } } : missing(nameOf(match))),
    },
  ];
}

/** As Splunk shows them: truths as such, numbers as numbers. */
function set(rule: Record<string, Json>, form: URLSearchParams): void {
  for (const [name, value] of form) {
    if (name === "output_mode" || name === "name") continue;
    if (name === "disabled" || name === "is_scheduled") rule[name] = value === "1";
    else rule[name] = name === "alert.severity" ? Number(value) : value;
  }
}

function refusal(status: number, text: string): FakeAnswer {
  return { status, json: { messages: [{ type: "ERROR", text }] } };
}
