import type { LiveActionRequest, PreviewRequest, Setup } from "../../../src/live-actions/plugin-interface.ts";

class Isolation {
  vendorId = "good";
  capability = "isolate_host";
  description = "Cuts a host off, in a test.";
  costPerCall = 3;
  credentialParams = ["good_token"];

  execute({ requestId, target, params, credentials, vendorId, capability }: LiveActionRequest) {
    const details = { requestId, target, params, vendorId, capability, token: credentials["good_token"] ?? null };
    return { status: "succeeded" as const, summary: `Isolated ${target}.`, details };
  }

  preview({ target, params, ...rest }: PreviewRequest) {
    return { host: target, params, names: Object.keys(rest).sort() };
  }

  async rollback({ target }: LiveActionRequest, result: unknown) {
    return { status: "SUCCEEDED" as const, summary: `Let ${target} back.`, details: { undone: result as never } };
  }
}

/** Takes its time. */
export const setup: Setup = async ({ registerExecutor }) => {
  await new Promise((resolve) => setTimeout(resolve, 50));
  registerExecutor(new Isolation());
  registerExecutor({
    vendorId: "good",
    capability: "get_host",
    description: "Shows what a plugin sees of the server, in a test.",
    execute: () => ({
      status: "SUCCEEDED",
      summary: "Looked.",
      details: { env: Object.keys(process.env), argv: process.argv.slice(2), execArgv: process.execArgv },
    }),
  });
};
