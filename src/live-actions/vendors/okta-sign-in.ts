import { z } from "zod";
import type { JsonObject } from "../../core/json.ts";
import type { Adapter, AdapterCall } from "../adapter.ts";
import { failed, readAnswer } from "../vendor-answer.ts";
import { VendorError, VendorUnreachable } from "../vendor-http.ts";
import { callOkta, checkUser, findUser, oktaCredentials, userPath } from "./okta-api.ts";
import { problemIn, readFlag } from "./read-params.ts";

/**
 * Starts Okta's reset of a password.
 * @see Okta User Lifecycle API, developer.okta.com, 2026-11: without an email the answer holds the link (`resetPasswordUrl`), by which anybody
 *   could take the account over.
 */
export const resetPassword: Adapter = {
  vendorId: "okta",
  capability: "reset_password",
  description:
    "Makes a user choose a new password: the old one is void at once, and Okta sends a link by email unless `send_email` is false. The link is never shown here.",
  credentials: oktaCredentials,
  impact: "HIGH",
  isIdempotent: false,
  timeoutMs: 30_000,
  check: (request) => checkUser(request) ?? problemIn(() => sendsEmail(request.params)),
  preview: ({ target, params }) => ({ user: target, send_email: sendsEmail(params) }),
  async execute(call) {
    const isSent = sendsEmail(call.params);
    const user = await findUser(call);
    if ("error" in user) return user;
    const query = { sendEmail: String(isSent) };
    await callOkta(call, { method: "POST", path: userPath(user.id, "lifecycle/reset_password"), query });
    return {
      status: "SUCCEEDED",
      summary: `Reset the password of ${user.login}${isSent ? "; Okta sends the link by email" : ""}.`,
      details: { user_id: user.id, login: user.login, send_email: isSent },
      warnings: isSent
        ? []
        : ["No email was sent, and the link is not shown: an administrator has to send one from Okta."],
    };
  },
  irreversible: "The old password is void. The user chooses a new one by the link from Okta.",
};

function sendsEmail(params: JsonObject): boolean {
  return readFlag(params, "send_email", true);
}

/** @see Okta User Factors API, developer.okta.com, 2026-11. */
const FactorsShape = z.array(
  z.object({ id: z.string().min(1), factorType: z.string().optional(), provider: z.string().optional() }),
);
type Factor = z.infer<typeof FactorsShape>[number];

/**
 * Removes every factor of a user, one after the other. What Okta refuses to remove is told, and makes the action fail.
 * @see Okta User Factors API, "Unenroll a factor", developer.okta.com, 2026-11; 404: it is gone already.
 */
export const forceMfa: Adapter = {
  vendorId: "okta",
  capability: "force_mfa",
  description:
    "Removes all second factors of a user, who enrols new ones at the next sign-in, as far as the sign-in policy asks for any.",
  credentials: oktaCredentials,
  impact: "MODERATE",
  isIdempotent: true,
  timeoutMs: 60_000,
  check: checkUser,
  preview: ({ target }) => ({ user: target }),
  async execute(call) {
    const user = await findUser(call);
    if ("error" in user) return user;
    const factors = readAnswer(
      await callOkta(call, { method: "GET", path: userPath(user.id, "factors") }),
      FactorsShape,
    );
    const left: JsonObject[] = [];
    for (const factor of factors) {
      const reason = await removeFactor(call, user.id, factor);
      if (reason !== undefined) left.push({ ...shownFactor(factor), reason });
    }
    const details = { user_id: user.id, login: user.login, factors_reset: factors.length - left.length };
    if (left.length > 0) {
      const summary = `Okta did not remove ${left.length} of ${factors.length} factors of ${user.login}.`;
      return failed("factors_not_removed", summary, { ...details, factors_left: left });
    }
    const summary =
      factors.length === 0
        ? `${user.login} has no factor that could be removed.`
        : `Removed ${factors.length === 1 ? "the factor" : `all ${factors.length} factors`} of ${user.login}.`;
    return { status: "SUCCEEDED", summary, details };
  },
  irreversible: "Factors that were removed can't be put back. The user enrols new ones.",
};

/** Why a factor is still there; undefined where it is gone. */
async function removeFactor(call: AdapterCall, userId: string, { id }: Factor): Promise<string | undefined> {
  try {
    await callOkta(call, { method: "DELETE", path: userPath(userId, `factors/${encodeURIComponent(id)}`) });
    return undefined;
  } catch (error) {
    if (error instanceof VendorError && error.status === 404) return undefined;
    // The next one may still go, and whoever reads of it has to know how far it came.
    if (error instanceof VendorError || error instanceof VendorUnreachable) return error.message;
    throw error;
  }
}

function shownFactor({ id, factorType, provider }: Factor): JsonObject {
  return { factor_id: id, factor_type: factorType ?? null, provider: provider ?? null };
}
