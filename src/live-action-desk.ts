import type { Adapter } from "./live-actions/adapter.ts";
import { createBuiltinRegistry } from "./live-actions/builtins.ts";

interface LiveActionParts {
  /** What is registered besides the built-in adapters. */
  readonly adapters: readonly Adapter[];
}

/** Everything that live actions need: the registry of adapters. */
export function startLiveActions({ adapters }: LiveActionParts) {
  const liveActionRegistry = createBuiltinRegistry();
  for (const adapter of adapters) liveActionRegistry.register(adapter, { source: "PLUGIN", origin: "this server" });
  return { liveActionRegistry };
}
