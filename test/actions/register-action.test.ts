import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Action, ActionFile, ActionVersion } from "../../src/actions/entities.ts";
import { registerAction } from "../../src/actions/register-action.ts";
import { registerActionVersion } from "../../src/actions/register-action-version.ts";
import { setActionEnabled } from "../../src/actions/set-action-enabled.ts";
import { ConflictFailure, NotFoundFailure, ValidationFailure } from "../../src/core/failures.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { updateTenantSettings } from "../../src/tenancy/update-tenant-settings.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant, operationOf } from "../tenancy/tenancy-fixtures.ts";
import { addVersions, register } from "./actions-fixtures.ts";
import { blockIp, localAction, remoteAction } from "./definitions.ts";

let database: TestDatabase;
let tenant: Tenant;
let other: Tenant;
const context = () => operationOf(database.orm, tenant);

beforeAll(async () => {
  database = await createTestDatabase();
  tenant = await makeTenant(database.orm, "default");
  other = await makeTenant(database.orm, "customer");
});
afterAll(() => database.close());

async function statuses(actionId: string): Promise<Record<string, string>> {
  const versions = await database.orm.em.fork().find(ActionVersion, { actionId });
  return Object.fromEntries(versions.map(({ version, status }) => [version, status]));
}

describe("registering an action", () => {
  test("stores the definition as it was written, and makes its version the active one", async () => {
    const { action, version } = await registerAction(context(), { definition: blockIp });
    const stored = await database.orm.em.fork().findOneOrFail(Action, { id: action.id });
    expect(stored).toMatchObject({
      tenantId: tenant.id,
      uuid: blockIp["id"],
      name: "block-ip-on-firewall",
      enabled: true,
      activeVersionId: version.id,
      type: "CONTAINMENT",
      tags: ["firewall", "containment", "network"],
      executorType: "REMOTE",
    });
    const row = await database.orm.em.fork().findOneOrFail(ActionVersion, { id: version.id });
    expect(row).toMatchObject({ version: "1.2.0", major: 1, minor: 2, patch: 0, status: "REGISTERED" });
    expect(row.definition).toEqual(blockIp);
  });

  test("stores the package byte for byte", async () => {
    const files = [
      { path: "block_ip.py", content: "print('é')\n" },
      { path: "bin/tool", content: "AP8=", encoding: "BASE64" as const, executable: true },
    ];
    const { version } = await registerAction(context(), { definition: localAction({ name: "with files" }), files });
    const stored = await database.orm.em
      .fork()
      .find(ActionFile, { versionId: version.id }, { orderBy: { path: "asc" } });
    expect(stored.map(({ path, bytes, executable }) => [path, bytes, executable])).toEqual([
      ["bin/tool", 2, true],
      ["block_ip.py", 12, false],
    ]);
    expect(Buffer.from(stored[0]!.content).toString("hex")).toBe("00ff");
    expect(stored[1]!.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test("assigns a UUID v4 where the definition has none", async () => {
    const { action } = await register(context(), "without id");
    expect(action.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test("refuses a definition with every problem, and stores nothing", async () => {
    const refused = registerAction(context(), {
      definition: localAction({ name: "refused", type: "x", timeout_seconds: 0 }),
      files: [{ path: "../x", content: "" }],
    });
    await expect(refused).rejects.toThrow(ValidationFailure);
    await expect(refused).rejects.toMatchObject({
      issues: expect.arrayContaining([
        expect.objectContaining({ path: "$.type" }),
        expect.objectContaining({ path: "$.timeout_seconds" }),
        expect.objectContaining({ path: "$.executor.target" }),
        expect.objectContaining({ path: "$.files[0].path" }),
      ]),
    });
    expect(await database.orm.em.fork().count(Action, { name: "refused" })).toBe(0);
  });

  test("refuses a name and an id that the tenant has, and takes those of another tenant", async () => {
    const id = "0b7c3f64-5a5e-4b53-9d0a-5f2f2a1c7b11";
    await register(context(), "taken", { id });
    await expect(register(context(), "taken")).rejects.toMatchObject({ code: "name_taken" });
    await expect(register(context(), "other name", { id: id.toUpperCase() })).rejects.toMatchObject({
      code: "id_taken",
    });
    await register(operationOf(database.orm, other), "taken", { id });
  });

  test("lets one of many at once win", async () => {
    const all = await Promise.allSettled(Array.from({ length: 5 }, () => register(context(), "raced")));
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of all) if (result.status === "rejected") expect(result.reason).toBeInstanceOf(ConflictFailure);
  });

  test("starts disabled where the definition or the tenant says so", async () => {
    expect((await register(context(), "disabled by itself", { enabled: false })).action.enabled).toBe(false);
    const theirs = operationOf(database.orm, other);
    await updateTenantSettings(theirs, { newActionsStartDisabled: true });
    expect((await register(theirs, "disabled by tenant", { enabled: true })).action.enabled).toBe(false);
  });

  test("warns of what is sent where", async () => {
    const { warnings } = await register(context(), "warned");
    expect(warnings).toMatchObject([{ code: "sends_parameters" }]);
  });
});

describe("adding a version", () => {
  test("makes it the active one, with its card", async () => {
    const { action } = await register(context(), "grows");
    const changes = { name: "grows", version: "1.0.1", description: "Newer.", type: "remediation", tags: ["new"] };
    const added = await registerActionVersion(context(), { definition: remoteAction(changes) });
    expect(added.action).toMatchObject({
      id: action.id,
      activeVersionId: added.version.id,
      description: "Newer.",
      type: "REMEDIATION",
      tags: ["new"],
    });
  });

  test("below the active one leaves that active", async () => {
    const { action } = await register(context(), "back-ported");
    await addVersions(context(), "back-ported", "2.0.0");
    const { action: after } = await registerActionVersion(context(), {
      definition: remoteAction({ name: "back-ported", version: "1.0.1" }),
    });
    const active = await database.orm.em.fork().findOneOrFail(ActionVersion, { id: after.activeVersionId! });
    expect(active).toMatchObject({ actionId: action.id, version: "2.0.0" });
  });

  test("refuses a step that is too small, by the highest version below", async () => {
    await register(context(), "stepped");
    await addVersions(context(), "stepped", "2.0.0");
    const parameters = [{ name: "ip_address", type: "string" }];
    const add = (version: string) =>
      registerActionVersion(context(), { definition: remoteAction({ name: "stepped", version, parameters }) });
    for (const version of ["1.0.1", "1.1.0", "2.0.1", "2.1.0"]) {
      await expect(add(version)).rejects.toMatchObject({ issues: [{ path: "$.version", code: "version_too_small" }] });
    }
    await add("3.0.0");
  });

  test("refuses a version that exists, an unknown name and another action's id", async () => {
    await register(context(), "exists");
    const definition = remoteAction({ name: "exists" });
    await expect(registerActionVersion(context(), { definition })).rejects.toMatchObject({ code: "version_exists" });
    const unknown = { definition: remoteAction({ name: "unknown" }) };
    await expect(registerActionVersion(context(), unknown)).rejects.toThrow(NotFoundFailure);
    const theirs = operationOf(database.orm, other);
    await expect(registerActionVersion(theirs, { definition })).rejects.toThrow(NotFoundFailure);
    const id = "11111111-1111-4111-8111-111111111111";
    const stranger = { definition: remoteAction({ name: "exists", version: "1.0.1", id }) };
    await expect(registerActionVersion(context(), stranger)).rejects.toMatchObject({ issues: [{ path: "$.id" }] });
  });

  test("takes its action's own id", async () => {
    const { action } = await register(context(), "own id");
    const definition = remoteAction({ name: "own id", version: "1.0.1", id: action.uuid.toUpperCase() });
    await registerActionVersion(context(), { definition });
    expect(await statuses(action.id)).toEqual({ "1.0.0": "REGISTERED", "1.0.1": "REGISTERED" });
  });

  test("lets one of many at once win, and leaves the highest active", async () => {
    const { action } = await register(context(), "raced versions");
    const versions = ["1.0.3", "1.0.1", "1.0.2", "1.0.2", "1.0.1", "1.0.3"];
    const all = await Promise.allSettled(
      versions.map((version) =>
        registerActionVersion(context(), { definition: remoteAction({ name: "raced versions", version }) }),
      ),
    );
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    for (const result of all) if (result.status === "rejected") expect(result.reason).toBeInstanceOf(ConflictFailure);
    const { activeVersionId } = await database.orm.em.fork().findOneOrFail(Action, { id: action.id });
    const active = await database.orm.em.fork().findOneOrFail(ActionVersion, { id: activeVersionId! });
    expect(active.version).toBe("1.0.3");
  });

  test("does not change the flag, and says so", async () => {
    await register(context(), "flagged");
    await setActionEnabled(context(), { ref: "flagged", enabled: false });
    const definition = remoteAction({ name: "flagged", version: "1.0.1", enabled: true });
    const { action, warnings } = await registerActionVersion(context(), { definition });
    expect(action.enabled).toBe(false);
    expect(warnings.map(({ code }) => code)).toContain("enabled_not_changed");
  });
});
