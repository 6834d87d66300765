// Stand-ins for the services that the example's playbooks call: each takes one request of the real one, in its shape, and answers in its shape.
import { randomUUID } from "node:crypto";
import type { Answer, Call } from "./fake-call.ts";

/** https://docs.slack.dev/reference/methods/chat.postMessage: a refusal is a 200, too. */
export function createFakeSlack(): (call: Call) => Answer {
  let posted = 0;
  return ({ route, body: { channel, text } }) => {
    if (route !== "POST /slack/api/chat.postMessage")
      return { status: 200, body: { ok: false, error: "unknown_method" } };
    if (typeof channel !== "string") return { status: 200, body: { ok: false, error: "channel_not_found" } };
    if (typeof text !== "string") return { status: 200, body: { ok: false, error: "no_text" } };
    posted += 1;
    const ts = `${Math.floor(Date.now() / 1_000)}.${String(posted).padStart(6, "0")}`;
    return { status: 200, body: { ok: true, channel, ts, message: { type: "message", text, ts } } };
  };
}

/** https://developer.atlassian.com/cloud/jira/platform/rest/v2/: the key is its project's with a number. */
export function createFakeJira(): (call: Call) => Answer {
  let number = 0;
  return ({ route, body, origin }) => {
    if (route !== "POST /jira/rest/api/2/issue") return { status: 404, body: { errorMessages: ["No such route."] } };
    const { project, issuetype, summary } = (body["fields"] ?? {}) as Record<string, Record<string, unknown>>;
    if (typeof project?.["key"] !== "string" || typeof issuetype?.["name"] !== "string" || !summary) {
      return { status: 400, body: { errorMessages: [], errors: { fields: "project, issuetype and summary" } } };
    }
    number += 1;
    const id = String(10_000 + number);
    const self = `${origin}/jira/rest/api/2/issue/${id}`;
    return { status: 201, body: { id, key: `${project["key"]}-${number}`, self } };
  };
}

/** A patch service of the house. */
export function createFakePatcher(): (call: Call) => Answer {
  let number = 0;
  return ({ route, body: { finding_id: finding } }) => {
    if (route !== "POST /patch/v1/jobs") return { status: 404, body: { error: "no such route" } };
    if (typeof finding !== "string") return { status: 400, body: { error: "finding_id" } };
    number += 1;
    return { status: 200, body: { job: { id: `job-${number}`, status: "patched", finding } } };
  };
}

/** https://developer.pagerduty.com/docs/send-alert-event: the routing key, which stands in the body, is the credential. */
export function createFakePagerDuty(): (call: Call) => Answer {
  return ({ route, body }) => {
    const { event_action: action, dedup_key: key } = body;
    const { summary, source, severity } = (body["payload"] ?? {}) as Record<string, unknown>;
    const isEvent = route === "POST /pagerduty/v2/enqueue" && action === "trigger";
    if (!isEvent || [summary, source, severity].some((field) => typeof field !== "string")) {
      const errors = ["event_action, payload.summary, payload.source and payload.severity"];
      return { status: 400, body: { status: "invalid event", message: "Event object is invalid", errors } };
    }
    return {
      status: 202,
      body: { status: "success", message: "Event processed", dedup_key: key ?? randomUUID() },
    };
  };
}

/** https://postmarkapp.com/developer/api/email-api */
export function createFakeMailRelay(): (call: Call) => Answer {
  return ({ route, body: { From: from, To: to, TextBody: text } }) => {
    if (route !== "POST /mail/email" || [from, to, text].some((field) => typeof field !== "string")) {
      return { status: 422, body: { ErrorCode: 300, Message: "Invalid email request." } };
    }
    const SubmittedAt = new Date().toISOString();
    return { status: 200, body: { To: to, SubmittedAt, MessageID: randomUUID(), ErrorCode: 0, Message: "OK" } };
  };
}
