import type { JsonObject } from "../../core/json.ts";
import type { Adapter, AdapterCall, AdapterResult } from "../adapter.ts";
import { awaitCompletion } from "../await-completion.ts";
import { type FailedResult, failed } from "../vendor-answer.ts";
import { VendorError } from "../vendor-http.ts";
import {
  callOkta,
  checkUser,
  findUser,
  type OktaUser,
  oktaCredentials,
  readUser,
  userIdIn,
  userPath,
} from "./okta-api.ts";

/**
 * Deactivates a user, and looks until it is done.
 * @see Okta User Lifecycle API, developer.okta.com, 2026-11: deactivation may go on after the answer (`transitioningToStatus`), is refused for
 *   DEPROVISIONED users, and can't be taken back.
 */
export const disableUser: Adapter = {
  vendorId: "okta",
  capability: "disable_user",
  description:
    "Deactivates a user: no sign-in any more, all apps taken away. A rollback activates the user, but assigns no apps again.",
  credentials: oktaCredentials,
  impact: "HIGH",
  reversedBy: "enable_user",
  isIdempotent: true,
  timeoutMs: 60_000,
  check: checkUser,
  preview: ({ target }) => ({ user: target }),
  async execute(call) {
    const user = await findUser(call);
    if ("error" in user) return user;
    const details = { success: true, user_id: user.id, login: user.login, previous_status: user.status };
    if (user.status === "DEPROVISIONED") {
      return succeeded({ summary: `${user.login} was deactivated already.`, details, completion: "confirmed" });
    }
    if (user.nextStatus !== "DEPROVISIONED") await changeUser(call, user.id, "deactivate");
    const { isOver, warnings } = await untilStatus(call, user.id, ["DEPROVISIONED"]);
    return succeeded({
      summary: isOver
        ? `Deactivated ${user.login}.`
        : `Okta accepted to deactivate ${user.login}, and is not done yet.`,
      details,
      completion: isOver ? "confirmed" : "accepted",
      warnings,
    });
  },
  async rollback(call, details) {
    const user = await userToRestore(call, details, "DEPROVISIONED");
    if ("error" in user) return user;
    if (user.nextStatus === "DEPROVISIONED") {
      return failed("not_ready", `Okta is still deactivating ${user.login}. Try again in a minute.`, {
        user_id: user.id,
      });
    }
    if (user.status === "DEPROVISIONED" && user.nextStatus !== "ACTIVE") await changeUser(call, user.id, "activate");
    const { isOver, last, warnings } = await untilStatus(call, user.id, activeStatuses);
    return succeeded({
      summary: isOver
        ? `Activated ${user.login} again.`
        : `Okta accepted to activate ${user.login}, and is not done yet.`,
      details: { user_id: user.id, login: user.login, user_status: last?.status ?? null },
      completion: isOver ? "confirmed" : "accepted",
      warnings: [...warnings, ...lossesOf(details, last)],
    });
  },
};

/** What a user can be whose activation is done: PROVISIONED has yet to choose a password. */
const activeStatuses = ["ACTIVE", "PROVISIONED", "PASSWORD_EXPIRED", "RECOVERY"];

/** @see Okta, "Activate and deactivate users", help.okta.com, 2026-11: after reactivation, apps are to be assigned anew. */
function lossesOf({ previous_status: previous }: JsonObject, user: OktaUser | undefined): string[] {
  return [
    "Apps that were taken away by the deactivation, and what was deleted in them, do not come back: assign them anew.",
    ...(user?.status === "PROVISIONED"
      ? ["The user has to set up a password. No email was sent: reset the password to send one."]
      : []),
    ...(previous === "SUSPENDED" ? ["The user was suspended before the deactivation, and is not any more."] : []),
  ];
}

/**
 * Ends a user's sessions, then suspends the user.
 * @see Okta User Sessions and User Lifecycle API, developer.okta.com, 2026-11: only ACTIVE users can be suspended; both are done at once.
 */
export const suspendSession: Adapter = {
  vendorId: "okta",
  capability: "suspend_session",
  description:
    "Ends all Okta sessions of a user and suspends the user, who can't sign in until the suspension is lifted.",
  credentials: oktaCredentials,
  impact: "MODERATE",
  reversedBy: "enable_user",
  isIdempotent: true,
  timeoutMs: 30_000,
  check: checkUser,
  preview: ({ target }) => ({ user: target }),
  async execute(call) {
    const user = await findUser(call);
    if ("error" in user) return user;
    await callOkta(call, { method: "DELETE", path: userPath(user.id, "sessions") });
    const refusal = user.status === "SUSPENDED" ? undefined : await suspend(call, user.id);
    const subject = { user_id: user.id, login: user.login, previous_status: user.status, sessions_cleared: true };
    if (refusal !== undefined) {
      return failed("not_suspended", `Ended the sessions of ${user.login}, but Okta did not suspend the user.`, {
        ...subject,
        user_suspended: false,
        reason: refusal,
      });
    }
    return succeeded({
      summary: `Ended the sessions of ${user.login} and suspended the user.`,
      details: { ...subject, user_suspended: true },
    });
  },
  async rollback(call, details) {
    const user = await userToRestore(call, details, "SUSPENDED");
    if ("error" in user) return user;
    if (user.status === "SUSPENDED") await changeUser(call, user.id, "unsuspend");
    return succeeded({
      summary: `${user.login} is no longer suspended.`,
      details: { user_id: user.id, login: user.login },
      warnings: ["The sessions that were ended do not come back: the user signs in again."],
    });
  },
};

/** Why Okta did not suspend the user; undefined where it did. */
async function suspend(call: AdapterCall, id: string): Promise<string | undefined> {
  try {
    await changeUser(call, id, "suspend");
    return undefined;
  } catch (error) {
    if (error instanceof VendorError) return error.message;
    throw error;
  }
}

type Change = "activate" | "deactivate" | "suspend" | "unsuspend";

/** The answer is not looked at: that of an activation holds a sign-in link. */
async function changeUser(call: AdapterCall, id: string, change: Change): Promise<void> {
  const hasMail = change === "activate" || change === "deactivate";
  const query = hasMail ? { sendEmail: "false" } : {};
  await callOkta(call, { method: "POST", path: userPath(id, `lifecycle/${change}`), query });
}

function untilStatus(call: AdapterCall, id: string, statuses: readonly string[]) {
  return awaitCompletion(call.http, () => readUser(call, id), {
    isOver: (user) => user !== undefined && statuses.includes(user.status),
  });
}

/** The user of an earlier call that put it into a status; a failure where it did not, or where the user is gone. */
async function userToRestore(call: AdapterCall, details: JsonObject, status: string): Promise<OktaUser | FailedResult> {
  const id = userIdIn(details);
  if (id === undefined) return failed("nothing_to_undo", "The details name no Okta user.");
  if (details["previous_status"] === status || details["user_suspended"] === false) {
    return failed("nothing_to_undo", "The call changed nothing: the user's status was none of its doing.", {
      user_id: id,
    });
  }
  return (await readUser(call, id)) ?? failed("target_not_found", "Okta knows the user no more.", { user_id: id });
}

function succeeded(result: Omit<Extract<AdapterResult, { readonly status: "SUCCEEDED" }>, "status">): AdapterResult {
  return { status: "SUCCEEDED", ...result };
}
