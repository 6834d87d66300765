// A plugin: a module that exports setup. Start from a copy of it; ../../docs/plugins.md explains every field.
// Types only, which are gone when it runs: a plugin elsewhere keeps a copy of that file beside it.
import type {
  LiveActionExecutor,
  LiveActionRequest,
  LiveActionResult,
  Setup,
} from "../../src/live-actions/plugin-interface.ts";

/** Both pairs sign in the same way, at the same place. */
const credentialParams = [
  { name: "acme_token", description: "An API token of Acme EDR that may isolate hosts." },
  { name: "acme_url", isSecret: false, description: "Where Acme EDR is, such as https://edr.example.com." },
];

const isolateHost: LiveActionExecutor = {
  vendorId: "acme_edr",
  capability: "isolate_host",
  description: "Cuts a host off the network with Acme EDR. The agent on it still reaches Acme.",
  credentialParams,
  impact: "HIGH",
  reversedBy: "unisolate_host",
  isIdempotent: true,
  costPerCall: 2,
  timeoutMs: 15_000,
  execute: (request) => setIsolation(request, true),
  // Pure: no credentials, nobody is contacted.
  preview: ({ target }) => ({ host: target, change: "is cut off the network" }),
  // `result.details` are what execute answered.
  rollback: (request) => setIsolation(request, false),
};

const unisolateHost: LiveActionExecutor = {
  vendorId: "acme_edr",
  capability: "unisolate_host",
  description: "Lets a host back onto the network with Acme EDR.",
  credentialParams,
  isIdempotent: true,
  execute: (request) => setIsolation(request, false),
  preview: ({ target }) => ({ host: target, change: "is let back onto the network" }),
};

export const setup: Setup = ({ registerExecutor }) => {
  registerExecutor(isolateHost);
  registerExecutor(unisolateHost);
};

async function setIsolation(
  { target, requestId, credentials, signal }: LiveActionRequest,
  isolated: boolean,
): Promise<LiveActionResult> {
  // The target is a user's text: it is escaped before it becomes part of a URL.
  const url = new URL(`/v1/hosts/${encodeURIComponent(target)}/isolation`, credentials["acme_url"]);
  const response = await fetch(url, {
    method: "PUT",
    headers: {
      authorization: `Bearer ${credentials["acme_token"]}`,
      "content-type": "application/json",
      // The same for a repetition of the same dispatch.
      "idempotency-key": requestId,
    },
    body: JSON.stringify({ isolated }),
    redirect: "error",
    signal,
  });
  if (response.status === 404) {
    return { status: "FAILED", error: "target_not_found", summary: `Acme EDR knows no host ${target}.` };
  }
  if (!response.ok) {
    const summary = `Acme EDR refused with ${response.status}.`;
    return { status: "FAILED", error: "vendor_error", summary, details: { status: response.status } };
  }
  const { host_id: hostId } = (await response.json()) as { host_id?: unknown };
  const verb = isolated ? "Isolated" : "Let back";
  return {
    status: "SUCCEEDED",
    summary: `${verb} ${target}.`,
    details: { host: target, host_id: String(hostId), isolated },
  };
}
