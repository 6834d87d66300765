// Okta as far as its adapters use it: one organisation with one user, on loopback.
import assert from "node:assert/strict";
import type { Json } from "../../../src/core/json.ts";
import { type Behaviour, type FakeAnswer, type FakeCall, type FakeRoute, startVendorFake } from "./vendor-fake.ts";

export const oktaUser = {
  id: "00u1a2b3c4d5e6f7g8h9",
  login: "jdoe@corp.example",
  path: "/api/v1/users/00u1a2b3c4d5e6f7g8h9",
};
export const oktaUserByLogin = "/api/v1/users/jdoe%40corp.example";
/** What nobody who has not the user's mailbox may see. */
export const oktaSecretLink = "https://corp.okta.example/reset/XE6wE17zmphl3KqAPFxO";

interface OktaState {
  readonly status?: string;
  /** How many reads an activation or deactivation goes on for. */
  readonly transitionReads?: number;
  /** What the activated user becomes. */
  readonly activated?: string;
  readonly factors?: readonly { readonly id: string; readonly factorType: string; readonly provider: string }[];
  /** The factor that can't be removed, and what Okta answers then. */
  readonly keptFactor?: { readonly id: string; readonly status: number };
  /** The login in the user's profile. */
  readonly login?: string;
}

const token = "00SuperSecretOktaToken-x1";

export function startOkta(behaviour: Behaviour & { readonly state?: OktaState } = {}) {
  const { state = {} } = behaviour;
  const user = new FakeUser(state);
  const isUser = (name: string): boolean =>
    behaviour.lacksTarget !== true &&
    ["jdoe", oktaUser.id, user.login].some((known) => known.toLowerCase() === decodeURIComponent(name).toLowerCase());
  const route = (method: string, path: string, answer: (call: FakeCall) => FakeAnswer): FakeRoute => ({
    method,
    path: new RegExp(`^/api/v1/users/([^/]+)${path}$`),
    answer: (call, match) => {
      assert.equal(call.headers.authorization, `SSWS ${token}`);
      return isUser(match[1]!) ? answer(call) : notFound;
    },
  });
  const lifecycle = (name: string, query: string, change: () => FakeAnswer): FakeRoute =>
    route("POST", `/lifecycle/${name}`, (call) => {
      assert.equal(call.url.search, query);
      assert.equal(call.body, "");
      return change();
    });
  return startVendorFake({
    behaviour,
    credentials: (origin) => ({ okta_domain: origin, okta_api_token: token }),
    routes: [
      route("GET", "", () => ({ json: user.read() })),
      route("DELETE", "/sessions", () => ({ status: 204 })),
      lifecycle("deactivate", "?sendEmail=false", () => user.become("DEPROVISIONED")),
      lifecycle("activate", "?sendEmail=false", () => user.become(state.activated ?? "ACTIVE", "DEPROVISIONED")),
      lifecycle("suspend", "", () => user.turn("SUSPENDED", "ACTIVE")),
      lifecycle("unsuspend", "", () => user.turn("ACTIVE", "SUSPENDED")),
      route("POST", "/lifecycle/reset_password", ({ url }) => ({
        json: url.searchParams.get("sendEmail") === "false" ? { resetPasswordUrl: oktaSecretLink } : {},
      })),
      route("GET", "/factors", () => ({ json: [...user.factors] })),
      route("DELETE", "/factors/[^/]+", ({ url }) => user.removeFactor(url.pathname.split("/").at(-1)!)),
      {
        method: "GET",
        path: /^\/api\/v1\/users$/,
        answer: ({ headers, url }) => {
          assert.equal(headers.authorization, `SSWS ${token}`);
          const login = loginIn(url.searchParams.get("filter") ?? "");
          return { json: behaviour.lacksTarget !== true && login === user.login ? [user.read()] : [] };
        },
      },
    ],
  });
}

const notFound: FakeAnswer = {
  status: 404,
  json: { errorCode: "E0000007", errorSummary: "Not found: Resource not found" },
};

/** Reads a filter as Okta does: one comparison, whose value is a JSON string. */
function loginIn(filter: string): string {
  const value = /^profile\.login eq ("(?:[^"\\\p{Cc}]|\\.)*")$/su.exec(filter)?.[1];
  assert.ok(value !== undefined, `a filter that Okta would refuse or misread: ${filter}`);
  return JSON.parse(value);
}

class FakeUser {
  readonly login: string;
  factors: NonNullable<OktaState["factors"]>;
  #status: string;
  #next: string | undefined;
  #readsLeft = 0;
  readonly #state: OktaState;

  constructor(state: OktaState) {
    this.#state = state;
    this.login = state.login ?? oktaUser.login;
    this.#status = state.status ?? "ACTIVE";
    this.factors = state.factors ?? [
      { id: "opf3hkfocI4JTLAju0g4", factorType: "push", provider: "OKTA" },
      { id: "sms2gt8gzgEBPUWBIFHN", factorType: "sms", provider: "OKTA" },
    ];
  }

  read(): Json {
    if (this.#next !== undefined && this.#readsLeft-- <= 0) {
      this.#status = this.#next;
      this.#next = undefined;
    }
    const transition = this.#next === undefined ? {} : { transitioningToStatus: this.#next };
    return { id: oktaUser.id, status: this.#status, ...transition, profile: { login: this.login } };
  }

  /** In the time that it takes. */
  become(status: string, from?: string): FakeAnswer {
    if (this.#status === status || (from !== undefined && this.#status !== from)) return refusal;
    this.#next = status;
    this.#readsLeft = this.#state.transitionReads ?? 0;
    return { json: { activationUrl: oktaSecretLink, activationToken: "XE6wE17zmphl3KqAPFxO" } };
  }

  /** At once. */
  turn(status: string, from: string): FakeAnswer {
    if (this.#status !== from) return refusal;
    this.#status = status;
    return { json: {} };
  }

  removeFactor(id: string): FakeAnswer {
    if (this.#state.keptFactor?.id === id) {
      return { status: this.#state.keptFactor.status, json: { errorSummary: "This factor stays." } };
    }
    this.factors = this.factors.filter((factor) => factor.id !== id);
    return { status: 204 };
  }
}

const refusal: FakeAnswer = {
  status: 403,
  json: { errorCode: "E0000001", errorSummary: "Api validation failed: the user's status does not allow it" },
};
