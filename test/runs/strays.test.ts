import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Claims } from "../../src/runs/claims.ts";
import { joinSql } from "../../src/runs/membership-sql.ts";
import { Strays } from "../../src/runs/strays.ts";
import { EngineWorld, plentyOfMemory, single } from "./engine-world.ts";

let world: EngineWorld;
let nodeId: number;
let owned: string;
let resident: Map<string, unknown>;
let strays: Strays;

beforeAll(async () => {
  world = await EngineWorld.create();
});
beforeEach(async () => {
  const { rows } = await world.pool.query(joinSql, ["host", 1, ""]);
  nodeId = rows[0].id;
  const birth = world.birth(single);
  await world.leaveFree(birth);
  owned = birth.id;
  resident = new Map();
  const { memory } = plentyOfMemory();
  await new Claims({ pool: world.pool, memory, resident }).claim({ nodeId, epoch: rows[0].epoch });
  strays = new Strays({ pool: world.pool, resident });
});
afterEach(() => world.reset());
afterAll(() => world.close());

describe("runs that a node owns and does not know of", () => {
  test("are looked for where there may be some, and then no more", async () => {
    expect(await strays.find(nodeId)).toEqual([]);
    strays.note();
    expect(await strays.find(nodeId)).toEqual([{ id: owned }]);
    expect(await strays.find(nodeId)).toEqual([]);
    resident.set(owned, {});
    strays.note();
    expect(await strays.find(nodeId)).toEqual([]);
  });

  test("are looked for again where one came while the database was at the last question", async () => {
    resident.set(owned, {});
    strays.note();
    const found = strays.find(nodeId);
    // It was claimed again before it had left, and leaves now.
    resident.delete(owned);
    strays.note();
    expect(await found).toEqual([]);
    expect(await strays.find(nodeId)).toEqual([{ id: owned }]);
  });
});
