import { afterEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import type { Adapter, AdapterCall } from "../../src/live-actions/adapter.ts";
import { okta } from "../../src/live-actions/vendors/okta.ts";
import { checkUser, loginFilter, userPath } from "../../src/live-actions/vendors/okta-api.ts";
import { disableUser, suspendSession } from "../../src/live-actions/vendors/okta-lifecycle.ts";
import { forceMfa, resetPassword } from "../../src/live-actions/vendors/okta-sign-in.ts";
import { oktaSecretLink, oktaUser, startOkta } from "./fakes/okta.ts";
import type { Fault, VendorFake } from "./fakes/vendor-fake.ts";
import { tryAdapter } from "./try-adapter.ts";

const fakes: VendorFake[] = [];
afterEach(async () => {
  const used = fakes.splice(0);
  await Promise.all(used.map((fake) => fake.close()));
  expect(used.flatMap(({ mistakes }) => mistakes)).toEqual([]);
});

type State = NonNullable<NonNullable<Parameters<typeof startOkta>[0]>["state"]>;

/** Okta with a user in this state, and what adapters do there. Nothing that comes out holds a sign-in link. */
async function oktaWith(state: State = {}, fault?: Fault) {
  const fake = await startOkta({ state, ...(fault && { fault }) });
  fakes.push(fake);
  const invoke = async (
    adapter: Adapter,
    means?: (call: AdapterCall) => ReturnType<Adapter["execute"]>,
    request = {},
  ) => {
    const whole = { requestId: "r", target: state.login ?? oktaUser.login, params: {}, ...request };
    const outcome = await tryAdapter({ adapter, request: whole, fake, ...(means && { invoke: means }) });
    expect(JSON.stringify(outcome)).not.toContain(oktaSecretLink.slice(-10));
    return outcome;
  };
  return {
    names: () => fake.calls.map(({ name }) => name.replace(oktaUser.path, "USER")),
    run: (adapter: Adapter, request?: { target?: string; params?: JsonObject }) => invoke(adapter, undefined, request),
    undo: (adapter: Adapter, details: JsonObject) => {
      fake.restart(undefined);
      return invoke(adapter, (call) => adapter.rollback!(call, details));
    },
  };
}

const subject = { user_id: oktaUser.id, login: oktaUser.login };

describe("okta disable_user", () => {
  test("waits for a deactivation that goes on", async () => {
    const { run, names } = await oktaWith({ transitionReads: 3 });
    expect((await run(disableUser)).result).toMatchObject({
      status: "SUCCEEDED",
      completion: "confirmed",
      warnings: [],
    });
    expect(names().filter((name) => name === "GET USER")).toHaveLength(4);
  });

  test("says what is accepted only where Okta takes longer than the bound", async () => {
    const { run, undo } = await oktaWith({ transitionReads: 1_000 });
    const { result } = await run(disableUser);
    expect(result).toMatchObject({
      status: "SUCCEEDED",
      completion: "accepted",
      summary: expect.stringContaining("not done yet"),
    });
    expect((await undo(disableUser, result!.details)).result).toMatchObject({ status: "FAILED", error: "not_ready" });
  });

  test("joins a deactivation that is under way", async () => {
    const { run, names } = await oktaWith({ transitionReads: 60 });
    await run(disableUser);
    await run(disableUser);
    expect(names().filter((name) => name.startsWith("POST"))).toHaveLength(1);
  });

  test("leaves a deactivated user alone, and so does its rollback", async () => {
    const { run, undo, names } = await oktaWith({ status: "DEPROVISIONED" });
    const { result } = await run(disableUser);
    expect(result).toMatchObject({
      status: "SUCCEEDED",
      completion: "confirmed",
      details: { previous_status: "DEPROVISIONED" },
    });
    expect(names()).toHaveLength(1);
    expect((await undo(disableUser, result!.details)).result).toMatchObject({
      status: "FAILED",
      error: "nothing_to_undo",
    });
    expect(names()).toEqual([]);
  });

  test("says on rollback what does not come back", async () => {
    const { run, undo } = await oktaWith({ status: "SUSPENDED", activated: "PROVISIONED" });
    const { result } = await run(disableUser);
    expect((await undo(disableUser, result!.details)).result).toMatchObject({
      status: "SUCCEEDED",
      completion: "confirmed",
      details: { ...subject, user_status: "PROVISIONED" },
      warnings: [
        expect.stringContaining("assign them anew"),
        expect.stringContaining("No email was sent"),
        expect.stringContaining("was suspended before"),
      ],
    });
  });

  test("activates nobody twice on rollback", async () => {
    const { run, undo, names } = await oktaWith();
    const { details } = (await run(disableUser)).result!;
    await undo(disableUser, details);
    expect((await undo(disableUser, details)).result).toMatchObject({ status: "SUCCEEDED" });
    expect(names()).toEqual(["GET USER", "GET USER"]);
  });
});

describe("okta suspend_session", () => {
  test("is a failure that tells of the ended sessions where Okta does not suspend the user", async () => {
    const { run, undo } = await oktaWith({ status: "LOCKED_OUT" });
    const { result } = await run(suspendSession);
    expect(result).toMatchObject({
      status: "FAILED",
      error: "not_suspended",
      details: { ...subject, sessions_cleared: true, user_suspended: false, reason: expect.stringContaining("status") },
    });
    expect((await undo(suspendSession, result!.details)).result).toMatchObject({ error: "nothing_to_undo" });
  });

  test("ends the sessions of a suspended user, who stays suspended on rollback", async () => {
    const { run, undo, names } = await oktaWith({ status: "SUSPENDED" });
    const { result } = await run(suspendSession);
    expect(result).toMatchObject({ status: "SUCCEEDED", details: { sessions_cleared: true, user_suspended: true } });
    expect(names()).toContain("DELETE USER/sessions");
    expect((await undo(suspendSession, result!.details)).result).toMatchObject({ error: "nothing_to_undo" });
  });

  test("lifts no suspension twice on rollback", async () => {
    const { run, undo, names } = await oktaWith();
    const { details } = (await run(suspendSession)).result!;
    expect((await undo(suspendSession, details)).result).toMatchObject({
      warnings: [expect.stringContaining("do not come back")],
    });
    await undo(suspendSession, details);
    expect(names()).toEqual(["GET USER"]);
  });
});

describe("okta reset_password", () => {
  test("shows the link to nobody, also where no email is sent", async () => {
    const { run, names } = await oktaWith();
    const { result } = await run(resetPassword, { params: { send_email: false } });
    expect(result).toMatchObject({
      details: { ...subject, send_email: false },
      warnings: [expect.stringContaining("No email")],
    });
    expect(Object.keys(result!.details)).toEqual(["user_id", "login", "send_email"]);
    expect(names().at(-1)).toBe("POST USER/lifecycle/reset_password?sendEmail=false");
  });

  test("refuses what is neither true nor false", () => {
    const request = { requestId: "r", target: oktaUser.login, params: { send_email: "perhaps" } };
    expect(resetPassword.check?.(request)).toMatchObject({ error: "invalid_params" });
  });
});

describe("okta force_mfa", () => {
  const kept = "opf3hkfocI4JTLAju0g4";

  test("fails where one factor stays, names it, and removes the others all the same", async () => {
    const { run } = await oktaWith({ keptFactor: { id: kept, status: 403 } });
    expect((await run(forceMfa)).result).toEqual({
      status: "FAILED",
      error: "factors_not_removed",
      summary: `Okta did not remove 1 of 2 factors of ${oktaUser.login}.`,
      details: {
        ...subject,
        factors_reset: 1,
        factors_left: [
          {
            factor_id: kept,
            factor_type: "push",
            provider: "OKTA",
            reason: "The vendor answered 403 (Forbidden): This factor stays.",
          },
        ],
      },
    });
  });

  test("tells how far it came where Okta can't be reached any more", async () => {
    const deletion = `DELETE ${oktaUser.path}/factors/sms2gt8gzgEBPUWBIFHN`;
    const { run } = await oktaWith({}, { kind: "cut off", at: deletion, from: 0 });
    expect((await run(forceMfa)).result).toMatchObject({
      error: "factors_not_removed",
      details: { factors_reset: 1, factors_left: [{ factor_id: "sms2gt8gzgEBPUWBIFHN" }] },
    });
  });

  test("counts a factor that is gone already", async () => {
    const { run } = await oktaWith({ keptFactor: { id: kept, status: 404 } });
    expect((await run(forceMfa)).result).toMatchObject({ status: "SUCCEEDED", details: { factors_reset: 2 } });
  });

  test("says where there was none to remove", async () => {
    const { run } = await oktaWith({ factors: [] });
    const summary = `${oktaUser.login} has no factor that could be removed.`;
    expect((await run(forceMfa)).result).toMatchObject({ status: "SUCCEEDED", summary, details: { factors_reset: 0 } });
  });
});

describe("an Okta user", () => {
  test.each([oktaUser.id, "jdoe", "JDoe@Corp.example", ` ${oktaUser.login} `])("is found by %j", async (target) => {
    const { run } = await oktaWith();
    expect((await run(forceMfa, { target })).result).toMatchObject({ status: "SUCCEEDED", details: subject });
  });

  test.each(["a/b@corp.example", "a\\b", `o'hara"x@corp.example`, "ü😀@corp.example", 'x" or profile.login pr or "'])(
    "is found by the login %j, whatever stands in it",
    async (login) => {
      const { run } = await oktaWith({ login });
      expect((await run(forceMfa)).result).toMatchObject({ status: "SUCCEEDED", details: { login } });
    },
  );

  test("is never the owner of the token", () => {
    for (const target of ["me", "ME", " me "]) {
      expect(checkUser({ requestId: "r", target, params: {} })).toMatchObject({ error: "invalid_target" });
    }
  });

  test("is not taken for another one that Okta answers with", async () => {
    const { run } = await oktaWith({ login: "somebody.else@corp.example" });
    const outcome = await run(disableUser, { target: "jdoe" });
    expect(outcome).toMatchObject({
      thrown: { name: "VendorError", message: expect.stringContaining("another user") },
    });
  });

  test("is escaped in filters and paths", () => {
    expect(loginFilter('a"b\\c\n')).toBe('profile.login eq "a\\"b\\\\c\\n"');
    expect(userPath("a/b?c#d%2e", "sessions")).toBe("/users/a%2Fb%3Fc%23d%252e/sessions");
    expect(() => userPath("..")).toThrow();
  });
});

describe("the Okta domain", () => {
  /** Where a call would have gone. */
  async function hostFor(domain: string): Promise<string> {
    let seen = "";
    const http = {
      call: async ({ url }: { url: URL }) => {
        seen = url.href;
        throw new Error("far enough");
      },
    };
    const call = { target: "jdoe", params: {}, credentials: { okta_domain: domain, okta_api_token: "t" }, http };
    const error = await disableUser.execute(call as unknown as AdapterCall).catch((thrown: Error) => thrown);
    return seen || (error as Error).message;
  }

  test.each([
    ["corp.okta.com", "https://corp.okta.com/api/v1/users/jdoe"],
    ["https://corp.okta.com/", "https://corp.okta.com/api/v1/users/jdoe"],
    ["http://127.0.0.1:4000", "http://127.0.0.1:4000/api/v1/users/jdoe"],
    ["http://corp.okta.com", "okta_domain is to be a domain, or an address that begins with https."],
    ["http://127.0.0.1.evil.example", "okta_domain is to be a domain, or an address that begins with https."],
    ["http://127.0.0.1:80@evil.example", "okta_domain is to be a domain, or an address that begins with https."],
    ["user@evil.example", "okta_domain is no address. Give one like https://example.okta.com."],
    ["not a domain", "okta_domain is no address. Give one like https://example.okta.com."],
    ["", "okta_domain is no address. Give one like https://example.okta.com."],
  ])("%j leads to %s", async (domain, expected) => {
    expect(await hostFor(domain)).toBe(expected);
  });

  test("and token are what every pair needs", () => {
    for (const { credentials } of okta) {
      expect(credentials.map(({ name, isRequired, isSecret }) => [name, isRequired, isSecret])).toEqual([
        ["okta_domain", true, false],
        ["okta_api_token", true, true],
      ]);
    }
  });
});
