import { type Invocation, type Prepared, prepareInvocation } from "../../src/actions/prepare-invocation.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { checked, file, remoteAction } from "./definitions.ts";

type Given = Partial<Omit<Invocation, "definition" | "storedSecrets">> & {
  readonly stored?: Readonly<Record<string, string>>;
};

export function prepare(definition: JsonObject, { stored = {}, ...given }: Given = {}): Prepared {
  return prepareInvocation({
    definition: checked(definition, [file("block_ip.py")]),
    parameters: {},
    scope: {},
    givenSecrets: {},
    storedSecrets: new Map(Object.entries(stored)),
    ...given,
  });
}

/** `path code` of every violation; nothing when it was not refused. */
export function violations(prepared: Prepared): string[] {
  return prepared.kind === "refused" ? prepared.issues.map(({ path, code }) => `${path} ${code}`) : [];
}

export function call(prepared: Prepared) {
  if (prepared.kind !== "ready") throw new Error(JSON.stringify(prepared));
  return prepared.call;
}

/** A remote action of one parameter. */
export function oneParameter(parameter: JsonObject, changes: { readonly [field: string]: Json } = {}): JsonObject {
  return remoteAction({ parameters: [{ name: "value", ...parameter }], ...changes });
}

export const good = { parameters: { ip_address: "10.1.2.3" }, stored: { fw_api_key: "s3cr3t-key" } };
