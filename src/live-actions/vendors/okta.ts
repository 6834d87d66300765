import type { Adapter } from "../adapter.ts";
import { disableUser, suspendSession } from "./okta-lifecycle.ts";
import { forceMfa, resetPassword } from "./okta-sign-in.ts";

/** What can be done in Okta. */
export const okta: readonly Adapter[] = [disableUser, resetPassword, suspendSession, forceMfa];
