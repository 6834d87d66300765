import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import type { AdapterResult } from "../../src/live-actions/adapter.ts";
import { DispatchSweeper } from "../../src/live-actions/dispatch-sweeper.ts";
import { LiveActionDispatch } from "../../src/live-actions/entities.ts";
import type { Tenant } from "../../src/tenancy/entities.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { type Asked, scriptedAdapter } from "./adapters.ts";
import { type DispatchWorld, dispatchWorld, held } from "./dispatch-world.ts";

const params = { acme_id: "me", acme_token: "s3cret-t0ken" };

let database: TestDatabase;
let tenant: Tenant;
beforeAll(async () => {
  database = await createTestDatabase();
  tenant = await makeTenant(database.orm, "mine");
});
afterAll(() => database.close());

const em = () => database.orm.em.fork();

/** A dispatch whose vendor does not answer yet. */
async function underWay() {
  const answer = held<AdapterResult>();
  const asked: Asked[] = [];
  const world = await dispatchWorld(database.orm, [scriptedAdapter({ asked, answer: () => answer.promise })]);
  const requestId = newId();
  const ended = world.dispatch(tenant, { requestId, params });
  await vi.waitUntil(() => asked.length > 0, { timeout: 20_000 });
  return { world, requestId, ended, asked, answer };
}

/** Takes the lease of a dispatch away, as when its node had died long ago. */
const expire = (requestId: string) =>
  em().execute("update live_action_dispatch set lease_until = now() - interval '1 second' where request_id = ?", [
    requestId,
  ]);

async function sweep({ hub }: Pick<DispatchWorld, "hub">): Promise<void> {
  const sweeper = new DispatchSweeper({ em, news: hub, log: silentLog });
  sweeper.start();
  await sweeper.stop();
}

describe("a dispatch whose node died", () => {
  test("ends as one whose effect is unknown, for a person to look, and is not called again", async () => {
    const { world, requestId, ended, asked, answer } = await underWay();
    await expire(requestId);
    const other = await dispatchWorld(database.orm, [scriptedAdapter({ asked })]);
    const waiting = other.dispatch(tenant, { requestId, params });
    await sweep(other);
    const lost = { status: "FAILED", error: "effect_unknown", details: { needs_person: true }, leaseUntil: null };
    expect(await waiting).toMatchObject(lost);
    expect(asked).toHaveLength(1);
    // What it hears from the vendor after all comes too late: others have been told already.
    answer.release({ status: "SUCCEEDED", summary: "Done.", details: {} });
    expect(await ended).toMatchObject(lost);
    expect(await world.dispatch(tenant, { requestId, params })).toMatchObject(lost);
  });

  test("is left alone as long as the node may live", async () => {
    const { world, requestId, ended, answer } = await underWay();
    await sweep(world);
    expect((await em().findOneOrFail(LiveActionDispatch, { requestId })).state).toBe("RUNNING");
    answer.release({ status: "SUCCEEDED", summary: "Done.", details: {} });
    expect((await ended).status).toBe("SUCCEEDED");
  });
});

describe("a node that stops", () => {
  test("calls nobody any more, and says so", async () => {
    const asked: Asked[] = [];
    const world = await dispatchWorld(database.orm, [scriptedAdapter({ asked })]);
    await world.ports.performer.stop();
    expect(await world.dispatch(tenant, { params })).toMatchObject({ status: "FAILED", error: "server_stopping" });
    expect(asked).toEqual([]);
  });

  test("waits for what it has under way", async () => {
    const { world, ended, answer } = await underWay();
    const stopped = world.ports.performer.stop();
    answer.release({ status: "SUCCEEDED", summary: "Done.", details: {} });
    await stopped;
    expect((await ended).status).toBe("SUCCEEDED");
  });

  test("ends what does not come to an end as one whose effect is unknown", async () => {
    const { world, ended } = await underWay();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const stopped = world.ports.performer.stop();
      await vi.advanceTimersByTimeAsync(10_000);
      vi.useRealTimers();
      await stopped;
    } finally {
      vi.useRealTimers();
    }
    expect(await ended).toMatchObject({ status: "FAILED", error: "effect_unknown" });
  });
});
