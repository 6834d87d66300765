// Does to its server whatever its target says.
import { parentPort } from "node:worker_threads";

class VendorDown extends Error {}

const deeds = {
  succeed: () => ({ status: "SUCCEEDED", summary: "Done." }),
  throw: () => {
    throw new VendorDown("The vendor is down.");
  },
  throwCode: () => {
    throw Object.assign(new Error("No such host."), { code: "target_not_found" });
  },
  throwText: () => Promise.reject("just text"),
  throwOddly: () => {
    throw new Proxy(new Error("x"), {
      get: () => {
        throw new Error("no");
      },
    });
  },
  throwLater: () =>
    new Promise(() => {
      setTimeout(() => {
        throw new VendorDown("Later.");
      });
    }),
  loop: () => {
    for (;;);
  },
  wait: () => new Promise(() => {}),
  waitForAbort: ({ signal }) =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => {
        console.log("aborted");
        resolve({ status: "SUCCEEDED", summary: "Too late." });
      });
    }),
  exit: () => process.exit(3),
  kill: () => process.kill(process.pid, "SIGKILL"),
  killByText: () => process.kill(String(process.pid), "SIGKILL"),
  killGroup: () => process.kill(-process.pid, "SIGKILL"),
  throwSecret: ({ credentials }) => {
    throw new Error(`${"x".repeat(1_995)}${credentials.bad_token}`);
  },
  failSecretly: ({ credentials }) => ({ status: "FAILED", summary: "No.", error: credentials.bad_token }),
  fill: async () => {
    const all = [];
    for (;;) {
      for (let index = 0; index < 100_000; index += 1) all.push({ index, more: [index] });
      await null;
    }
  },
  hoard: async () => {
    const all = [];
    for (let size = 0; size <= 320; size += 16) all.push(Buffer.alloc(16 * 2 ** 20));
    await new Promise(() => {});
    return all;
  },
  speak: () => {
    parentPort.postMessage({ type: "answer", id: 1, value: "mine" });
    return new Promise(() => {});
  },
  pong: () => {
    parentPort.postMessage('{"type":"pong"}');
    return new Promise(() => {});
  },
  answerAgain: () => {
    for (let id = 0; id < 3; id += 1) parentPort.postMessage(`{"type":"answer","id":${-id},"value":{}}`);
    return new Promise(() => {});
  },
  print: ({ credentials }) => {
    console.log(`token ${credentials.bad_token}`);
    console.error("x".repeat(20_000));
    return deeds.succeed();
  },
  nothing: () => undefined,
  text: () => "SUCCEEDED",
  list: () => [],
  unknownStatus: () => ({ status: "DONE", summary: "Done." }),
  noSummary: () => ({ status: "SUCCEEDED" }),
  listOfDetails: () => ({ status: "SUCCEEDED", summary: "Done.", details: [] }),
  cycle: () => {
    const details = {};
    details.self = details;
    return { status: "SUCCEEDED", summary: "Done.", details };
  },
  function: () => ({ status: "SUCCEEDED", summary: "Done.", details: { run() {} } }),
  prototype: () => ({ status: "SUCCEEDED", summary: "Done.", details: { at: new Date(0) } }),
  endless: () => ({ status: "SUCCEEDED", summary: "Done.", details: { count: Number.NaN } }),
  huge: () => ({ status: "SUCCEEDED", summary: "Done.", details: { text: "x".repeat(2 * 1024 * 1024) } }),
  oddWarnings: () => ({ status: "SUCCEEDED", summary: "Done.", warnings: [{}] }),
  wrongIds: () => ({ ...deeds.succeed(), requestId: "another", vendorId: "okta", capability: "disable_user" }),
  fail: () => ({ status: "FAILED", summary: "No.", error: "still_admitted", details: { rule: 7 } }),
  failInPart: () => ({ status: "FAILED", summary: "A part.", error: "half", completion: "partial" }),
  failOddly: () => ({ status: "FAILED", summary: "No.", completion: "confirmed" }),
  failPlainly: () => ({ status: "failed", summary: "No." }),
};

export function setup({ registerExecutor }) {
  registerExecutor({
    vendorId: "bad",
    capability: "isolate_host",
    description: "Does harm, in a test.",
    requiresCredentials: false,
    credentialParams: ["bad_token"],
    timeoutMs: 1_000,
    execute: (request) => deeds[request.target](request),
    preview: (request) => deeds[request.target](request),
  });
  registerExecutor({
    vendorId: "bad",
    capability: "get_host",
    description: "Does harm within more time, in a test.",
    timeoutMs: 20_000,
    execute: (request) => deeds[request.target](request),
  });
}
