import { Action, ActionVersion } from "../../src/actions/entities.ts";
import { newId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { Orm } from "../../src/database/orm.ts";
import { checkDocument } from "../../src/playbooks/check-document.ts";
import { Playbook, PlaybookVersion } from "../../src/playbooks/entities.ts";
import { readSource } from "../../src/playbooks/source.ts";
import { stepsPerRun } from "./contender.ts";

const definition = {
  id: "6f1f4cf8-3b0e-4b53-9d5e-2f6a1c1f0a11",
  name: "block-ip",
  version: "1.0.0",
  type: "remediation",
  description: "Blocks an address at the firewall.",
  parameters: [
    { name: "ip", type: "string", required: true, validation: { pattern: "^[0-9.]{7,15}$" } },
    { name: "reason", type: "string", validation: { max_length: 200 } },
    { name: "duration_hours", type: "integer", default: 24, validation: { min: 1, max: 720 } },
  ],
  executor: { type: "remote", target: "https://firewall.example/api/block", method: "POST" },
  timeout_seconds: 30,
} as const;

/** What the playbook is executed by. */
export const samplePlaybookKey = "contain-attacker";

const actionRef = `${definition.name}@1.0`;

const document = {
  id: samplePlaybookKey,
  name: "Contain an attacker",
  version: "1.0.0",
  trigger: { event: "manual" },
  steps: Array.from({ length: stepsPerRun }, (_, index) => ({
    id: `step-${index + 1}`,
    type: "action",
    name: `Block, ${index + 1}`,
    action_ref: actionRef,
    parameters: {
      ip: "{{ finding.source_ip }}",
      reason: "Finding {{ finding.id }} on {{ asset.hostname }}",
      duration_hours: 24,
    },
  })),
};

/** Stores a playbook of five steps and the action they call, as the catalogues read them. */
export async function storeSamplePlaybook(
  orm: Orm,
  tenantId: string,
): Promise<{ playbookId: string; playbookVersionId: string }> {
  const { issues } = checkDocument(readSource(JSON.stringify(document)));
  if (issues.length > 0) throw new Error(JSON.stringify(issues));
  const ids = { actionId: newId(), actionVersionId: newId(), playbookId: newId(), playbookVersionId: newId() };
  await orm.em.transactional(async (em) => {
    const common = { tenantId, createdAt: new Date() };
    await em.insert(Action, {
      ...common,
      id: ids.actionId,
      uuid: definition.id,
      name: definition.name,
      enabled: true,
      activeVersionId: ids.actionVersionId,
      type: "REMEDIATION",
      description: definition.description,
      tags: [],
      executorType: "REMOTE",
    });
    await em.insert(ActionVersion, {
      ...common,
      ...version,
      id: ids.actionVersionId,
      actionId: ids.actionId,
      definition: definition as unknown as JsonObject,
      executorType: "REMOTE",
      status: "REGISTERED",
    });
    await em.insert(Playbook, {
      ...common,
      id: ids.playbookId,
      key: document.id,
      enabled: true,
      activeVersionId: ids.playbookVersionId,
      name: document.name,
      tags: [],
      event: document.trigger.event,
      trigger: document.trigger,
    });
    await em.insert(PlaybookVersion, {
      ...common,
      ...version,
      id: ids.playbookVersionId,
      playbookId: ids.playbookId,
      source: JSON.stringify(document),
      format: "JSON",
      document: document as unknown as JsonObject,
      pins: document.steps.map(({ id }) => ({ stepId: id, actionRef, actionId: ids.actionId })),
    });
  });
  return ids;
}

const version = { version: "1.0.0", major: 1, minor: 0, patch: 0 };
