import { disableUser, suspendSession } from "../../src/live-actions/vendors/okta-lifecycle.ts";
import { forceMfa, resetPassword } from "../../src/live-actions/vendors/okta-sign-in.ts";
import { describeAdapter } from "./adapter-contract.ts";
import { oktaUser, oktaUserByLogin, startOkta } from "./fakes/okta.ts";

const request = { requestId: "r-1", target: oktaUser.login, params: {} };
const find = `GET ${oktaUserByLogin}`;
const read = `GET ${oktaUser.path}`;
const subject = { user_id: oktaUser.id, login: oktaUser.login };

describeAdapter(disableUser, {
  startFake: startOkta,
  request,
  expectedCalls: [find, `POST ${oktaUser.path}/lifecycle/deactivate?sendEmail=false`, read],
  expectedDetails: { success: true, ...subject },
  afterEffect: 1,
  unreadAnswers: [`POST ${oktaUser.path}/lifecycle/deactivate?sendEmail=false`],
  rollback: {
    expectedCalls: [read, `POST ${oktaUser.path}/lifecycle/activate?sendEmail=false`, read],
    afterEffect: 1,
    unreadAnswers: [`POST ${oktaUser.path}/lifecycle/activate?sendEmail=false`],
  },
});

describeAdapter(suspendSession, {
  startFake: startOkta,
  request,
  expectedCalls: [find, `DELETE ${oktaUser.path}/sessions`, `POST ${oktaUser.path}/lifecycle/suspend`],
  expectedDetails: { ...subject, sessions_cleared: true, user_suspended: true },
  unreadAnswers: [`DELETE ${oktaUser.path}/sessions`, `POST ${oktaUser.path}/lifecycle/suspend`],
  rollback: {
    expectedCalls: [read, `POST ${oktaUser.path}/lifecycle/unsuspend`],
    unreadAnswers: [`POST ${oktaUser.path}/lifecycle/unsuspend`],
  },
});

describeAdapter(resetPassword, {
  startFake: startOkta,
  request,
  expectedCalls: [find, `POST ${oktaUser.path}/lifecycle/reset_password?sendEmail=true`],
  expectedDetails: { ...subject, send_email: true },
  unreadAnswers: [`POST ${oktaUser.path}/lifecycle/reset_password?sendEmail=true`],
});

const deletions = ["opf3hkfocI4JTLAju0g4", "sms2gt8gzgEBPUWBIFHN"].map((id) => `DELETE ${oktaUser.path}/factors/${id}`);
describeAdapter(forceMfa, {
  startFake: startOkta,
  request,
  expectedCalls: [find, `GET ${oktaUser.path}/factors`, ...deletions],
  expectedDetails: { ...subject, factors_reset: 2 },
  unreadAnswers: deletions,
});
