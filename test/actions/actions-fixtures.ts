import { type Registered, registerAction } from "../../src/actions/register-action.ts";
import { registerActionVersion } from "../../src/actions/register-action-version.ts";
import type { Json } from "../../src/core/json.ts";
import type { OperationContext } from "../../src/tenancy/operation-context.ts";
import { remoteAction } from "./definitions.ts";

type Changes = { readonly [field: string]: Json };

/** Registers a remote action of that name at 1.0.0. */
export function register(context: OperationContext, name: string, changes: Changes = {}): Promise<Registered> {
  return registerAction(context, { definition: remoteAction({ name, ...changes }) });
}

/** Adds versions to it in that order; they differ in their number only. */
export async function addVersions(
  context: OperationContext,
  name: string,
  ...versions: readonly string[]
): Promise<void> {
  for (const version of versions) await registerActionVersion(context, { definition: remoteAction({ name, version }) });
}
