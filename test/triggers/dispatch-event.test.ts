import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { limits } from "../../src/core/limits.ts";
import { type Log, silentLog } from "../../src/core/log.ts";
import { type Orm, openOrm } from "../../src/database/orm.ts";
import { entities } from "../../src/entities.ts";
import type { TriggerMatch } from "../../src/playbooks/trigger-catalogue.ts";
import type { Chain } from "../../src/runs/chain.ts";
import { Run, TriggerEvent } from "../../src/runs/entities.ts";
import { createDispatch, type Dispatch, type DispatchPorts } from "../../src/triggers/dispatch-event.ts";
import { recordEvent } from "../../src/triggers/record-event.ts";
import { createEngine, EngineWorld, echo, single, tenantId } from "../runs/engine-world.ts";
import { allEnabled } from "../tenancy/tenancy-fixtures.ts";

let world: EngineWorld;
let orm: Orm;
beforeAll(async () => {
  world = await EngineWorld.create();
  orm = await openOrm(world.address, entities);
});
afterEach(async () => {
  await world.reset();
  await orm.em.fork().execute("truncate trigger_event");
});
afterAll(async () => {
  await orm.close(true);
  await world.close();
});

const by = { kind: "TOKEN", name: "ann", id: newId() } as const;
const matchesOf = (count: number): TriggerMatch[] =>
  Array.from({ length: count }, (_, index) => ({ playbookId: newId(), playbookKey: `p${index}`, versionId: newId() }));

/** What a node dispatches with. Plans are not asked for by version here: they are all the same. */
async function portsOf(matched: readonly TriggerMatch[], rest: Partial<DispatchPorts> = {}): Promise<DispatchPorts> {
  for (const { versionId } of matched) world.plans.set(versionId, single);
  return {
    engine: rest.engine ?? (await world.engine(echo)),
    sealer: {} as DispatchPorts["sealer"],
    playbooks: { plan: () => single },
    triggers: { match: async () => matched },
    tenants: allEnabled,
    em: () => orm.em.fork(),
    log: silentLog,
    ...rest,
  };
}

function leaveEvent(data = {}): Promise<TriggerEvent> {
  return recordEvent(orm.em.fork(), tenantId, { type: "finding.new", data, at: new Date(), by });
}

/** An event of a chain, as the flush of a completion writes it. */
async function leaveChained(chain: Chain): Promise<TriggerEvent> {
  const { id } = await leaveEvent();
  const em = orm.em.fork();
  await em.execute("update trigger_event set type = 'action.completed', run_id = ?, chain = ?::jsonb where id = ?", [
    chain.rootId,
    JSON.stringify(chain),
    id,
  ]);
  return em.findOneOrFail(TriggerEvent, id);
}

const playbooksStarted = async () => (await orm.em.fork().find(Run, {})).map(({ playbookId }) => playbookId);

describe("the dispatch of an event", () => {
  test("starts what can start, and what could not when it is dispatched again", async () => {
    const matched = matchesOf(30);
    const broken = new Set(matched.slice(0, 3).map(({ versionId }) => versionId));
    const logged: unknown[] = [];
    const log = { ...silentLog, error: (_about: unknown, name: string) => logged.push(name) } as unknown as Log;
    const plan = async (_tenantId: string, versionId: string) => {
      if (broken.has(versionId)) throw new Error("The plan is broken.");
      return single;
    };
    const dispatch = createDispatch(await portsOf(matched, { log, playbooks: { plan } }));
    const event = await leaveEvent();
    expect((await dispatch(event)).dispatchedAt).toBeNull();
    expect((await playbooksStarted()).toSorted()).toEqual(
      matched
        .slice(3)
        .map((each) => each.playbookId)
        .toSorted(),
    );
    expect(logged).toEqual(["event.dispatch_failed"]);
    broken.clear();
    expect((await dispatch(event)).dispatchedAt).toBeInstanceOf(Date);
    expect((await playbooksStarted()).toSorted()).toEqual(matched.map((each) => each.playbookId).toSorted());
  });

  test("is put off while its node can't take runs", async () => {
    const logged: unknown[] = [];
    const log = { ...silentLog, warn: (_about: unknown, name: string) => logged.push(name) } as unknown as Log;
    const engine = createEngine({ execute: echo, address: world.address, plans: world.plans });
    const matched = matchesOf(2);
    const dispatch = createDispatch(await portsOf(matched, { log, engine }));
    const event = await leaveEvent();
    expect((await dispatch(event)).dispatchedAt).toBeNull();
    expect([logged, await playbooksStarted()]).toEqual([["event.put_off"], []]);
    await engine.start();
    expect((await dispatch(event)).dispatchedAt).toBeInstanceOf(Date);
    expect(await playbooksStarted()).toHaveLength(2);
    await world.ended(...(await orm.em.fork().find(Run, {})).map(({ id }) => id));
    await engine.stop();
  });

  test("is one for all who ask at once on a node, and starts nothing twice on several", async () => {
    const matched = matchesOf(10);
    let asked = 0;
    const match = async () => {
      asked += 1;
      return matched;
    };
    const nodes: Dispatch[] = [];
    for (let count = 0; count < 3; count += 1)
      nodes.push(createDispatch(await portsOf(matched, { triggers: { match } })));
    const event = await leaveEvent();
    await Promise.all(nodes.flatMap((dispatch) => [dispatch(event), dispatch(event), dispatch(event)]));
    expect(asked).toBe(3);
    expect((await playbooksStarted()).toSorted()).toEqual(matched.map((each) => each.playbookId).toSorted());
  });

  test("leaves the version of a run that it had started before", async () => {
    const [first] = matchesOf(1) as [TriggerMatch];
    const ports = await portsOf([first]);
    const event = await leaveEvent();
    await createDispatch(ports)(event);
    const next = { ...first, versionId: newId() };
    await createDispatch({ ...ports, triggers: { match: async () => [next] } })(event);
    expect((await orm.em.fork().find(Run, {})).map((run) => run.playbookVersionId)).toEqual([first.versionId]);
  });
});

describe("the dispatch of a chain's events", () => {
  const chain: Chain = { rootId: newId(), depth: 1, playbookIds: [newId()] };

  test(`leads to ${limits.chainRunsMax} runs at most, wherever its events are dispatched`, async () => {
    const nodes: Dispatch[] = [];
    for (let count = 0; count < 3; count += 1) nodes.push(createDispatch(await portsOf(matchesOf(60))));
    const events = [await leaveChained(chain), await leaveChained(chain), await leaveChained(chain)];
    await Promise.all(
      nodes.flatMap((dispatch, index) => [dispatch(events[index]!), dispatch(events[(index + 1) % 3]!)]),
    );
    expect(await playbooksStarted()).toHaveLength(limits.chainRunsMax);
    const left = await orm.em.fork().count(TriggerEvent, { dispatchedAt: null });
    expect(left).toBe(0);
  });

  test("counts what it started before it was interrupted, once", async () => {
    const matched = matchesOf(limits.chainRunsMax);
    const ports = await portsOf(matched);
    let begun = 0;
    const engine: DispatchPorts["engine"] = {
      begin(birth) {
        begun += 1;
        if (begun > 40) throw new Error("The node died.");
        return ports.engine.begin(birth);
      },
    };
    const event = await leaveChained(chain);
    expect((await createDispatch({ ...ports, engine })(event)).dispatchedAt).toBeNull();
    expect(await playbooksStarted()).toHaveLength(40);
    expect((await createDispatch(ports)(event)).dispatchedAt).toBeInstanceOf(Date);
    expect((await playbooksStarted()).toSorted()).toEqual(matched.map((each) => each.playbookId).toSorted());
  });

  test("starts nothing that it went through, and nothing that lies too deep", async () => {
    const matched = matchesOf(2);
    const dispatch = createDispatch(await portsOf(matched));
    await dispatch(await leaveChained({ ...chain, playbookIds: [matched[0]!.playbookId] }));
    await dispatch(await leaveChained({ ...chain, depth: limits.chainDepthMax + 1 }));
    expect(await playbooksStarted()).toEqual([matched[1]!.playbookId]);
  });
});
