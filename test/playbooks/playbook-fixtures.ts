import { Action, ActionVersion } from "../../src/actions/entities.ts";
import { parseVersion } from "../../src/actions/version.ts";
import { newId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { Orm } from "../../src/database/orm.ts";
import { Tenant } from "../../src/tenancy/entities.ts";
import type { OperationContext } from "../../src/tenancy/operation-context.ts";
import { permissionsOf } from "../../src/tenancy/permissions.ts";

/** A tenant of its own, and operations of an admin in it. */
export async function makeTenant(orm: Orm): Promise<{ tenantId: string; operation: () => OperationContext }> {
  const em = orm.em.fork();
  const tenant = em.create(Tenant, { name: `tenant ${newId()}` });
  await em.persist(tenant).flush();
  const operation = (): OperationContext => ({
    tenantId: tenant.id,
    actor: { kind: "TOKEN", name: "test" },
    roles: ["admin"],
    permissions: permissionsOf(["admin"]),
    em: orm.em.fork(),
  });
  return { tenantId: tenant.id, operation };
}

/** An action straight in the table, with these versions, the last of them active. */
export async function makeAction(
  orm: Orm,
  tenantId: string,
  fields: { name: string; versions?: string[]; parameters?: JsonObject[] },
) {
  const em = orm.em.fork();
  const { name, versions = ["1.0.0"], parameters = [] } = fields;
  const action = em.create(Action, {
    tenantId,
    uuid: crypto.randomUUID(),
    name,
    enabled: true,
    activeVersionId: null,
    type: "REMEDIATION",
    description: name,
    tags: [],
    executorType: "REMOTE",
  });
  for (const version of versions) {
    const number = parseVersion(version) ?? { major: 0, minor: 0, patch: 0 };
    const executor = { type: "remote", target: "https://firewall.example/block" };
    const definition = { id: action.uuid, name, version, type: "remediation", description: name, parameters, executor };
    const id = newId();
    em.persist(
      em.create(ActionVersion, {
        id,
        tenantId,
        actionId: action.id,
        version,
        ...number,
        withdrawnReason: null,
        definition,
        executorType: "REMOTE",
      }),
    );
    action.activeVersionId = id;
  }
  await em.persist(action).flush();
  return action;
}
