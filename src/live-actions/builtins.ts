import type { Adapter } from "./adapter.ts";
import { createRegistry, type Registry } from "./registry.ts";
import { awsSecurityGroups } from "./vendors/aws-security-groups.ts";
import { crowdstrike } from "./vendors/crowdstrike.ts";
import { defender } from "./vendors/defender.ts";
import { elastic } from "./vendors/elastic.ts";
import { generic } from "./vendors/generic.ts";
import { okta } from "./vendors/okta.ts";
import { splunk } from "./vendors/splunk.ts";

/** Every adapter that comes with the product, by vendor. */
export const builtinAdapters: readonly Adapter[] = [
  ...awsSecurityGroups,
  ...crowdstrike,
  ...defender,
  ...elastic,
  ...generic,
  ...okta,
  ...splunk,
];

/** A registry with the built-in adapters in it. */
export function createBuiltinRegistry(): Registry {
  const registry = createRegistry();
  for (const adapter of builtinAdapters) registry.register(adapter, { source: "BUILTIN", origin: "Riposte" });
  return registry;
}
