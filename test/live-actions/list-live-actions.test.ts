import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { builtinAdapters } from "../../src/live-actions/builtins.ts";
import {
  type LiveActionFilter,
  listLiveActions,
  vendorsOfCapability,
} from "../../src/live-actions/list-live-actions.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { dispatchWorld } from "./dispatch-world.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

describe("the catalogue of a tenant", () => {
  test("costs one statement, whole as well as narrowed, and none where nothing fits", async () => {
    const { as, ports, put } = await dispatchWorld(database.orm, builtinAdapters);
    const tenant = await makeTenant(database.orm, newId());
    await put(tenant, { okta_domain: "example.okta.com", okta_api_token: "token" });
    const statements = vi.spyOn(database.orm.em.getConnection(), "execute");
    const cost = async (list: () => Promise<readonly unknown[]>) => {
      statements.mockClear();
      return [(await list()).length, statements.mock.calls.length];
    };
    const listed = (filter: LiveActionFilter) => cost(() => listLiveActions(as(tenant), ports.registry, filter));
    expect(await listed({})).toEqual([19, 1]);
    expect(await listed({ configured: true })).toEqual([5, 1]);
    expect(await listed({ source: "BUILTIN", vendorId: "okta" })).toEqual([4, 1]);
    expect(await listed({ capability: "make_coffee" })).toEqual([0, 0]);
    const vendors = await cost(() => vendorsOfCapability(as(tenant), ports.registry, "search_siem"));
    expect(vendors).toEqual([2, 2]);
    statements.mockRestore();
  });
});
