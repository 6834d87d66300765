import { localId } from "../../src/core/global-id.ts";
import type { TestServer } from "../support/server.ts";
import { codesOf, mutate, send } from "./strangers.ts";

/** A tenant besides the first one, as its own admin and whoever operates the server see it. */
export interface Customer {
  readonly name: string;
  readonly tenantId: string;
  /** Of its admin. */
  readonly token: string;
}

export async function makeCustomer(server: TestServer, name: string): Promise<Customer> {
  const selection = "token tenant { id }";
  type Made = { token: string; tenant: { id: string } };
  const made = await mutate<Made>(server, server.adminToken, "createTenant", selection, { name });
  return { name, token: made.token, tenantId: localId("Tenant", made.tenant.id) ?? "" };
}

export interface ShownTenant {
  readonly id: string;
  readonly name: string;
  readonly disabledAt: string | null;
  readonly disabledReason: string | null;
}

/** Disables or enables a tenant, as whoever operates the server. */
export async function setEnabled(
  server: TestServer,
  input: { readonly tenant: string; readonly enabled: boolean; readonly reason?: string },
): Promise<ShownTenant> {
  const selection = "tenant { id name disabledAt disabledReason }";
  const payload = await mutate<{ tenant: ShownTenant }>(
    server,
    server.adminToken,
    "setTenantEnabled",
    selection,
    input,
  );
  return payload.tenant;
}

/** What a query with that token is refused as; undefined where it is answered. */
export async function refusalOf(server: TestServer, token: string): Promise<unknown> {
  return codesOf(await send(server, token, "{ viewer { name } }"))[0];
}
