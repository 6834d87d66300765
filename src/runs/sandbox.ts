import { type Invocation, type Prepared, prepareInvocation } from "../actions/prepare-invocation.ts";
import { type Simulated, type SimulatedOutput, simulateInvocation } from "../actions/simulate-invocation.ts";
import { cutText } from "../core/cut-text.ts";
import { type Json, type JsonObject, storableJson } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { ExecutedCommand, RemoteCall } from "../executors/executor.ts";
import { buildRequest } from "../executors/remote-request.ts";

/** What a sandboxed step would have done outside, and what it did in isolation; every secret in it is `***`. */
export type SandboxedDeeds = {
  readonly interceptedCalls: readonly InterceptedCall[];
  readonly commandsExecuted: readonly ExecutedCommand[];
};

/** A request as it would have been sent, with the headers that the executor adds. */
export type InterceptedCall = {
  readonly type: "http";
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Json;
};

/** What stands for every secret that is not given with the call: the credential store is not read. */
const placeholder = "sandbox-placeholder";

export function placeholdersOf(names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(names.map((name) => [name, placeholder]));
}

/** What becomes of an invocation in the sandbox: a script is run in isolation, everything else is simulated. */
export function sandboxInvocation(invocation: Invocation): Simulated | Prepared {
  const { type } = invocation.definition.executor;
  return type === "local" ? prepareInvocation(invocation) : simulateInvocation(invocation);
}

/** The request that a simulated call shows, as the executor would have sent it. @throws AttemptRefused where it would have refused it. */
export function interceptedDeeds(output: SimulatedOutput, idempotencyKey: string): SandboxedDeeds {
  const request = output["request"] as Omit<RemoteCall, "type"> | undefined;
  if (request === undefined) return { interceptedCalls: [], commandsExecuted: [] };
  const { method, url, headers } = buildRequest({ call: { type: "remote", ...request }, idempotencyKey });
  const { body } = request;
  const call = { type: "http" as const, method, url: url.href, headers, ...(body === undefined ? {} : { body }) };
  return { interceptedCalls: [call], commandsExecuted: [] };
}

/** The commands that ran in isolation. */
export function executedDeeds(commands: readonly ExecutedCommand[]): SandboxedDeeds {
  const kept = commands.slice(0, limits.sandboxCommandsMax).map(({ command, exitCode }) => {
    return { command: cutText(command, limits.textLengthMax), exitCode };
  });
  return { interceptedCalls: [], commandsExecuted: kept };
}

/** The deeds as they can be stored; calls too large to be kept are left out. */
export function storableDeeds(deeds: SandboxedDeeds): JsonObject {
  const text = JSON.stringify(deeds);
  const kept = Buffer.byteLength(text) > limits.outputBytesMax ? { ...deeds, interceptedCalls: [] } : deeds;
  return storableJson(kept as unknown as JsonObject) as JsonObject;
}
