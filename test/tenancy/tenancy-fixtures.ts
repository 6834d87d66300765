import type { Clock } from "../../src/core/clock.ts";
import type { Orm } from "../../src/database/orm.ts";
import { generateToken, hashToken } from "../../src/tenancy/api-token.ts";
import type { TenantGate } from "../../src/tenancy/disabled-tenants.ts";
import { ApiToken, Tenant } from "../../src/tenancy/entities.ts";
import type { OperationContext } from "../../src/tenancy/operation-context.ts";
import { permissionsIn } from "../../src/tenancy/permissions.ts";

/** No tenant is disabled. */
export const allEnabled: TenantGate = {
  isDisabled: () => false,
  believable: () => undefined,
  renew: async () => undefined,
};

/** A clock that a test moves. */
export function movableClock(start = new Date()): Clock & { move(ms: number): void } {
  let now = start.getTime();
  return {
    now: () => new Date(now),
    move(ms) {
      now += ms;
    },
  };
}

export async function makeTenant(orm: Orm, name: string): Promise<Tenant> {
  const em = orm.em.fork();
  const tenant = em.create(Tenant, { name });
  await em.persist(tenant).flush();
  return tenant;
}

/** A token of a tenant, straight in the table. */
export async function makeToken(
  orm: Orm,
  tenant: Tenant,
  fields: { roles?: string[]; expiresAt?: Date; name?: string } = {},
): Promise<{ text: string; row: ApiToken }> {
  const em = orm.em.fork();
  const text = generateToken();
  const row = em.create(ApiToken, {
    tenantId: tenant.id,
    name: fields.name ?? "a token",
    hash: hashToken(text),
    roles: fields.roles ?? ["admin"],
    expiresAt: fields.expiresAt ?? null,
  });
  await em.persist(row).flush();
  return { text, row };
}

/** An operation of somebody with these roles. */
export function operationOf(orm: Orm, tenant: Tenant, roles: readonly string[] = ["admin"]): OperationContext {
  return {
    tenantId: tenant.id,
    actor: { kind: "TOKEN", name: "test" },
    roles,
    permissions: permissionsIn(tenant.name, roles),
    em: orm.em.fork(),
  };
}
