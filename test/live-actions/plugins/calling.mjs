// Calls the vendor of a test, whichever way it is asked.
export function setup({ registerExecutor }) {
  const call = async (what, { credentials, signal, requestId }) => {
    await fetch(`${credentials.crash_url}/${what}`, { method: "POST", body: requestId, signal });
    return { status: "SUCCEEDED", summary: `It was told to ${what}.`, details: {} };
  };
  registerExecutor({
    vendorId: "crash",
    capability: "isolate_host",
    description: "Calls a vendor, in a test.",
    credentialParams: [{ name: "crash_url", isSecret: false }],
    timeoutMs: 4_000,
    execute: (request) => call("isolate", request),
    rollback: (request) => call("release", request),
  });
}
