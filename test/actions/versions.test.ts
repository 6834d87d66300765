import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createActionCatalogue, type PinnedAction } from "../../src/actions/action-catalogue.ts";
import { Action, ActionVersion } from "../../src/actions/entities.ts";
import { findAction } from "../../src/actions/find-action.ts";
import { registerAction } from "../../src/actions/register-action.ts";
import { pinReference, resolvePinned, resolveReference } from "../../src/actions/resolve-version.ts";
import { rollbackAction } from "../../src/actions/rollback-action.ts";
import { setActionEnabled } from "../../src/actions/set-action-enabled.ts";
import { withdrawActionVersion } from "../../src/actions/withdraw-action-version.ts";
import { NotFoundFailure, StateFailure, ValidationFailure } from "../../src/core/failures.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant, movableClock, operationOf } from "../tenancy/tenancy-fixtures.ts";
import { addVersions, register } from "./actions-fixtures.ts";
import { localAction } from "./definitions.ts";

let database: TestDatabase;
let tenant: Tenant;
let other: Tenant;
const context = () => operationOf(database.orm, tenant);
const em = () => database.orm.em.fork();

beforeAll(async () => {
  database = await createTestDatabase();
  tenant = await makeTenant(database.orm, "default");
  other = await makeTenant(database.orm, "customer");
});
afterAll(() => database.close());

/** What a reference resolves to now, or the code of why it does not. */
async function resolves(ref: string): Promise<string> {
  try {
    return (await resolveReference(em(), tenant.id, ref)).version;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

async function activeVersion(name: string): Promise<string | undefined> {
  const { activeVersionId } = await em().findOneOrFail(Action, { tenantId: tenant.id, name });
  return activeVersionId ? (await em().findOneOrFail(ActionVersion, { id: activeVersionId })).version : undefined;
}

async function pin(ref: string): Promise<PinnedAction> {
  const pinned = await pinReference(em(), tenant.id, ref);
  if ("code" in pinned) throw new Error(pinned.message);
  return pinned;
}

describe("a reference", () => {
  beforeAll(async () => {
    await register(context(), "refs", { id: "5d3c1a72-7c44-4d2a-9f10-6b8e5d3c1a72" });
    await addVersions(context(), "refs", "1.0.1", "1.1.0", "1.1.1", "2.0.0");
  });

  test.each([
    ["refs", "2.0.0"],
    ["refs@1.0", "1.0.1"],
    ["refs@1.1", "1.1.1"],
    ["refs@1.1.0", "1.1.0"],
    ["refs@1.2", "not_found"],
    ["refs@1.1.7", "not_found"],
    ["nothing", "not_found"],
    ["5d3c1a72-7c44-4d2a-9f10-6b8e5d3c1a72", "2.0.0"],
    ["5D3C1A72-7C44-4D2A-9F10-6B8E5D3C1A72", "2.0.0"],
    ["5d3c1a72", "2.0.0"],
    ["5d3c1a72@1.0", "1.0.1"],
    ["5d3c1a7", "not_found"],
    ["refs@1", "invalid_input"],
  ])("%s resolves to %s", async (ref, version) => expect(await resolves(ref)).toBe(version));

  test("of another tenant's action is not found", async () => {
    await expect(resolveReference(em(), other.id, "refs")).rejects.toThrow(NotFoundFailure);
    await expect(resolveReference(em(), other.id, "5d3c1a72")).rejects.toThrow(NotFoundFailure);
    await expect(resolvePinned(em(), other.id, await pin("refs"))).rejects.toThrow(NotFoundFailure);
  });

  test("by a prefix of several UUIDs is refused, and a name goes before a prefix", async () => {
    await register(context(), "first twin", { id: "eeeeeeee-0000-4000-8000-000000000001" });
    await register(context(), "second twin", { id: "eeeeeeee-0000-4000-8000-000000000002" });
    await expect(findAction(em(), tenant.id, "eeeeeeee")).rejects.toThrow(ValidationFailure);
    expect((await findAction(em(), tenant.id, "eeeeeeee-0000-4000-8000-000000000001"))?.action.name).toBe("first twin");
    await register(context(), "5d3c1a72-7c");
    expect((await findAction(em(), tenant.id, "5d3c1a72-7c"))?.action.name).toBe("5d3c1a72-7c");
    expect((await findAction(em(), tenant.id, "5d3c1a72-7"))?.action.name).toBe("refs");
  });

  test("is pinned to the line of the active version, unless it names one", async () => {
    const { actionId } = await pin("refs");
    expect(await pin("refs")).toEqual({ actionId, actionRef: "refs@2.0" });
    expect(await pin("5d3c1a72-7c44-4d2a-9f10-6b8e5d3c1a72")).toEqual({ actionId, actionRef: "refs@2.0" });
    expect(await pin("refs@1.0")).toEqual({ actionId, actionRef: "refs@1.0" });
    expect(await pin("refs@1.0.0")).toEqual({ actionId, actionRef: "refs@1.0.0" });
    expect(await pinReference(em(), tenant.id, "nothing")).toMatchObject({ path: "$", code: "unknown_action" });
    expect(await pinReference(em(), tenant.id, "refs@9.9")).toMatchObject({ path: "$", code: "unknown_action" });
    expect(await pinReference(em(), tenant.id, "refs@9")).toMatchObject({ code: "invalid_reference" });
  });

  test("that is pinned takes the newest patch when it runs", async () => {
    await register(context(), "patched");
    const pinned = await pin("patched");
    await addVersions(context(), "patched", "1.0.1", "1.1.0");
    expect((await resolvePinned(em(), tenant.id, pinned)).version).toBe("1.0.1");
  });
});

describe("rolling back", () => {
  test("makes a version active and holds back those above it in its line", async () => {
    await register(context(), "rolled");
    await addVersions(context(), "rolled", "1.0.1", "1.0.2", "1.1.0");
    const action = await rollbackAction(context(), { ref: "rolled", version: "1.0.0", reason: "Broken." });
    expect(action.activeVersionId).not.toBeNull();
    expect(await activeVersion("rolled")).toBe("1.0.0");
    expect(await resolves("rolled")).toBe("1.0.0");
    expect(await resolves("rolled@1.0")).toBe("1.0.0");
    expect(await resolves("rolled@1.1")).toBe("1.1.0");
    expect(await resolves("rolled@1.0.2")).toBe("1.0.2");
  });

  test("ends for a line when one of those held back is made active again", async () => {
    await rollbackAction(context(), { ref: "rolled", version: "1.0.1" });
    expect(await resolves("rolled@1.0")).toBe("1.0.1");
    await rollbackAction(context(), { ref: "rolled", version: "1.0.2" });
    expect(await resolves("rolled@1.0")).toBe("1.0.2");
    expect(await activeVersion("rolled")).toBe("1.0.2");
  });

  test("ends for a line when a newer version of it is registered", async () => {
    await rollbackAction(context(), { ref: "rolled", version: "1.0.0" });
    await addVersions(context(), "rolled", "1.2.0");
    expect(await resolves("rolled@1.0")).toBe("1.0.0");
    await addVersions(context(), "rolled", "1.0.3");
    expect(await resolves("rolled@1.0")).toBe("1.0.3");
    expect(await activeVersion("rolled")).toBe("1.2.0");
  });

  test("keeps back what is above a version that fills a gap", async () => {
    await register(context(), "gap");
    await addVersions(context(), "gap", "1.0.5");
    await rollbackAction(context(), { ref: "gap", version: "1.0.0" });
    await addVersions(context(), "gap", "1.0.2");
    expect(await resolves("gap@1.0")).toBe("1.0.2");
    expect(await activeVersion("gap")).toBe("1.0.2");
  });

  test("is refused for what is no version of the action", async () => {
    const roll = (ref: string, version: string) => rollbackAction(context(), { ref, version });
    await expect(roll("rolled", "9.0.0")).rejects.toThrow(NotFoundFailure);
    await expect(roll("rolled", "1.0")).rejects.toMatchObject({ issues: [{ path: "$.version" }] });
    await expect(roll("rolled@1.0", "1.0.0")).rejects.toMatchObject({ issues: [{ path: "$.ref" }] });
    await expect(roll("nothing", "1.0.0")).rejects.toThrow(NotFoundFailure);
    await expect(rollbackAction(operationOf(database.orm, other), { ref: "rolled", version: "1.0.0" })).rejects.toThrow(
      NotFoundFailure,
    );
  });
});

describe("withdrawing", () => {
  const withdraw = (ref: string, version: string, reason = "Bad.") =>
    withdrawActionVersion(context(), { ref, version, reason });

  test("takes a version from every reference", async () => {
    await register(context(), "withdrawn");
    await addVersions(context(), "withdrawn", "1.0.1", "1.1.0");
    const pinned = await pin("withdrawn@1.1.0");
    expect(await withdraw("withdrawn", "1.1.0")).toMatchObject({ status: "WITHDRAWN", withdrawnReason: "Bad." });
    expect(await resolves("withdrawn@1.1.0")).toBe("version_withdrawn");
    expect(await resolves("withdrawn@1.1")).toBe("version_withdrawn");
    await expect(resolvePinned(em(), tenant.id, pinned)).rejects.toThrow(StateFailure);
    expect(await activeVersion("withdrawn")).toBe("1.0.1");
    expect(await resolves("withdrawn")).toBe("1.0.1");
    await withdraw("withdrawn", "1.0.1");
    expect(await resolves("withdrawn@1.0")).toBe("1.0.0");
  });

  test("of the last leaves no active version, and a new one ends that", async () => {
    await withdraw("withdrawn", "1.0.0");
    expect(await activeVersion("withdrawn")).toBeUndefined();
    expect(await resolves("withdrawn")).toBe("no_active_version");
    expect(await pinReference(em(), tenant.id, "withdrawn")).toMatchObject({ code: "no_active_version" });
    await addVersions(context(), "withdrawn", "1.1.1");
    expect(await resolves("withdrawn")).toBe("1.1.1");
  });

  test("never makes a version active that is held back", async () => {
    await register(context(), "held");
    await addVersions(context(), "held", "1.0.1");
    await rollbackAction(context(), { ref: "held", version: "1.0.0" });
    await withdraw("held", "1.0.0");
    expect(await activeVersion("held")).toBeUndefined();
    expect(await resolves("held@1.0")).toBe("version_withdrawn");
    await rollbackAction(context(), { ref: "held", version: "1.0.1" });
    expect(await resolves("held")).toBe("1.0.1");
  });

  test("is final, and wants a reason", async () => {
    await expect(withdraw("withdrawn", "1.0.0")).rejects.toMatchObject({ code: "version_withdrawn" });
    await expect(rollbackAction(context(), { ref: "withdrawn", version: "1.0.0" })).rejects.toThrow(StateFailure);
    await expect(withdraw("withdrawn", "1.1.1", " ")).rejects.toMatchObject({ issues: [{ path: "$.reason" }] });
  });
});

describe("the catalogue of runs", () => {
  const clock = movableClock();
  const catalogue = () => createActionCatalogue({ em, clock, believedMs: 1_000 });

  test("answers at once what it was asked a moment ago, and asks again after its time", async () => {
    await register(context(), "cached");
    const pinned = await pin("cached");
    const actions = catalogue();
    const first = actions.resolve(tenant.id, pinned);
    expect(first).toBeInstanceOf(Promise);
    expect(await first).toMatchObject({ name: "cached", version: "1.0.0", enabled: true, type: "CONTAINMENT" });
    expect(actions.resolve(tenant.id, pinned)).toMatchObject({ version: "1.0.0" });
    await addVersions(context(), "cached", "1.0.1");
    expect(actions.resolve(tenant.id, pinned)).toMatchObject({ version: "1.0.0" });
    clock.move(1_000);
    expect(await actions.resolve(tenant.id, pinned)).toMatchObject({ version: "1.0.1" });
  });

  test("forgets one tenant's actions, also those it is just asking for", async () => {
    const [mine, theirs] = [await pin("cached"), (await register(operationOf(database.orm, other), "theirs")).action];
    const actions = catalogue();
    const theirPin = { actionId: theirs.id, actionRef: "theirs@1.0" };
    await Promise.all([actions.resolve(tenant.id, mine), actions.resolve(other.id, theirPin)]);
    actions.forget(tenant.id);
    expect(actions.resolve(other.id, theirPin)).toMatchObject({ name: "theirs" });
    const asking = actions.resolve(tenant.id, mine);
    actions.forget(tenant.id);
    await asking;
    const again = actions.resolve(tenant.id, mine);
    expect(again).toBeInstanceOf(Promise);
    await again;
  });

  test("tells that one is disabled, and refuses what is withdrawn, at once and later alike", async () => {
    const pinned = await pin("cached@1.0.0");
    const actions = catalogue();
    await setActionEnabled(context(), { ref: "cached", enabled: false });
    expect(await actions.resolve(tenant.id, pinned)).toMatchObject({ enabled: false });
    expect(actions.resolve(tenant.id, pinned)).toMatchObject({ enabled: false });
    await setActionEnabled(context(), { ref: "cached", enabled: true });
    await withdrawActionVersion(context(), { ref: "cached", version: "1.0.0", reason: "Bad." });
    actions.forgetAll();
    await expect(actions.resolve(tenant.id, pinned)).rejects.toMatchObject({ code: "version_withdrawn" });
    await expect(actions.resolve(other.id, pinned)).rejects.toThrow(NotFoundFailure);
  });

  test("has the files of a version", async () => {
    const files = [{ path: "block_ip.py", content: "print()", executable: true }];
    const { version } = await registerAction(context(), { definition: localAction({ name: "local" }), files });
    const actions = catalogue();
    const [one, two] = await Promise.all([actions.files(version.id), actions.files(version.id)]);
    expect(one).toBe(two);
    expect(one.map(({ path, content, executable }) => [path, Buffer.from(content).toString(), executable])).toEqual([
      ["block_ip.py", "print()", true],
    ]);
  });
});
