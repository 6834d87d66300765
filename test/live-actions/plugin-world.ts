import path from "node:path";
import type { Log } from "../../src/core/log.ts";
import { createBuiltinRegistry } from "../../src/live-actions/builtins.ts";
import { callAdapter } from "../../src/live-actions/call-adapter.ts";
import type { DispatchResult } from "../../src/live-actions/dispatch-result.ts";
import { startPlugins } from "../../src/live-actions/plugin-host.ts";
import type { Registry } from "../../src/live-actions/registry.ts";
import { dryRun } from "../../src/live-actions/simulate-dispatch.ts";
import type { VendorHttp } from "../../src/live-actions/vendor-http.ts";

export interface LogEntry {
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Plugins of `test/live-actions/plugins`, and what a dispatcher does with them. */
export interface PluginWorld {
  readonly registry: Registry;
  readonly entries: readonly LogEntry[];
  /** What is logged under a name. */
  logged(event: string): LogEntry["fields"][];
  call(pair: string, target: string, more?: CallOptions): Promise<DispatchResult>;
  preview(pair: string, target: string): Promise<DispatchResult>;
  stop(): Promise<void>;
}

interface CallOptions {
  readonly credentials?: Readonly<Record<string, string>>;
  readonly undo?: Record<string, string>;
  readonly stopping?: AbortSignal;
}

export const pluginDirectory = path.join(import.meta.dirname, "plugins");

export async function pluginWorld(...modules: string[]): Promise<PluginWorld> {
  const registry = createBuiltinRegistry();
  const entries: LogEntry[] = [];
  const plugins = await startPlugins({ modules, directory: pluginDirectory, registry, log: logInto(entries) });
  const adapterOf = (pair: string) => {
    const [vendorId = "", capability = ""] = pair.split("/");
    return registry.find(vendorId, capability)!.adapter;
  };
  const requestFor = (target: string) => ({ requestId: "req-1", target, params: { note: "now" } });
  return {
    registry,
    entries,
    logged: (event) => entries.filter((entry) => entry.event === event).map(({ fields }) => fields),
    call: (pair, target, { credentials = {}, undo, stopping = new AbortController().signal } = {}) =>
      callAdapter(
        { openHttp: () => noHttp, stopping },
        { ...{ tenantId: "t", adapter: adapterOf(pair), secrets: [] }, request: requestFor(target), credentials, undo },
      ),
    preview: (pair, target) => dryRun(adapterOf(pair), requestFor(target)),
    stop: () => plugins.stop(),
  };
}

// Plugins speak to their vendors by themselves.
const noHttp = {} as VendorHttp;

function logInto(entries: LogEntry[]): Log {
  const write = (fields: LogEntry["fields"], event: string) => void entries.push({ event, fields });
  return { debug: write, info: write, warn: write, error: write } as unknown as Log;
}
