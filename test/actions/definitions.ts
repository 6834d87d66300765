import { checkDefinition } from "../../src/actions/check-definition.ts";
import type { ActionDefinition } from "../../src/actions/definition.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import type { PackageFile } from "../../src/executors/executor.ts";

/** The complete example of the S4E action schema. */
export const blockIp: JsonObject = {
  id: "a3f8e1b2-7c44-4d2a-9f10-6b8e5d3c1a72",
  name: "block-ip-on-firewall",
  version: "1.2.0",
  type: "containment",
  description: "Blocks a source IP address on the perimeter firewall via API call.",
  tags: ["firewall", "containment", "network"],
  enabled: true,
  timeout_seconds: 60,
  retry: { max_attempts: 3, backoff_seconds: 5 },
  parameters: [
    {
      name: "ip_address",
      label: "IP Address",
      type: "string",
      required: true,
      description: "IPv4 or IPv6 address to block.",
      validation: { pattern: "^([0-9]{1,3}\\.){3}[0-9]{1,3}$|^([0-9a-fA-F:]+)$" },
    },
    {
      name: "duration_hours",
      label: "Block Duration (hours)",
      type: "integer",
      required: false,
      default: 24,
      validation: { min: 1, max: 8760 },
    },
    {
      name: "direction",
      label: "Traffic Direction",
      type: "enum",
      required: true,
      validation: { allowed_values: ["inbound", "outbound", "both"] },
    },
    { name: "api_key", label: "Firewall API Key", type: "secret", required: true },
  ],
  executor: {
    type: "remote",
    target: "https://firewall.internal/api/v2/rules",
    method: "POST",
    headers: { "Content-Type": "application/json" },
  },
  input_mapping: { ip_address: "{{ trigger.alert.source_ip }}", direction: "both" },
  output_mapping: { block_status: "result.status", rule_id: "result.data.rule_id" },
  conditions: { operator: "and", rules: [{ field: "{{ trigger.alert.severity }}", op: "gte", value: 7 }] },
};

/** A small remote action without conditions or mappings, with some fields changed. */
export function remoteAction(changes: { readonly [field: string]: Json } = {}): JsonObject {
  return {
    name: "block-ip",
    version: "1.0.0",
    type: "containment",
    description: "Blocks a malicious IP on the perimeter firewall.",
    parameters: [
      { name: "ip_address", type: "string", required: true, validation: { pattern: "^\\d{1,3}(\\.\\d{1,3}){3}$" } },
      { name: "duration_hours", type: "integer", default: 24, validation: { min: 1, max: 720 } },
      { name: "fw_api_key", type: "secret", required: true },
    ],
    executor: { type: "remote", target: "https://firewall.internal/api/rules/block" },
    ...changes,
  };
}

export function localAction(changes: { readonly [field: string]: Json } = {}): JsonObject {
  return remoteAction({ executor: { type: "local", target: "block_ip.py" }, ...changes });
}

export function file(path: string, content = ""): PackageFile {
  return { path, content: Buffer.from(content), executable: false };
}

/** The definition, checked. Throws what is wrong with it, so that a test never goes on with a bad one. */
export function checked(definition: JsonObject, files: readonly PackageFile[] = []): ActionDefinition {
  const { issues, definition: good } = checkDefinition(definition, files);
  if (!good) throw new Error(JSON.stringify(issues, null, 2));
  return good;
}

/** A remote action with these fields in its executor. */
export function remote(executor: JsonObject, changes: { readonly [field: string]: Json } = {}): JsonObject {
  return remoteAction({
    executor: { type: "remote", target: "https://firewall.internal/api", ...executor },
    ...changes,
  });
}

/** `path code` of every issue of a definition. */
export function problems(definition: unknown, files: readonly PackageFile[] = []): string[] {
  return checkDefinition(definition, files).issues.map(({ path, code }) => `${path} ${code}`);
}
