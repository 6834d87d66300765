import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { ExecutorSlots } from "../../src/runs/executor-slots.ts";

const never = new AbortController().signal;
/** There is always memory for another result. */
const roomy = { hasRoomForResult: () => true };
const asker = (tenantId: string, held = 0) => ({ tenantId, heldBytes: () => held });

/** Takes so many slots of a tenant, all of which there must be room for. */
async function fill(slots: ExecutorSlots, tenantId: string, count: number): Promise<(() => void)[]> {
  const taken = await Promise.all(Array.from({ length: count }, () => slots.take(asker(tenantId), never)));
  return taken.map((giveBack) => giveBack!);
}

/** Whether an ask that has just been made is answered without anything given back. */
async function isWaiting(asked: Promise<unknown>): Promise<boolean> {
  const turn = new Promise((resolve) => setImmediate(resolve, "waiting"));
  return (await Promise.race([asked, turn])) === "waiting";
}

describe("a node's executors", () => {
  test("are never all of one tenant's", async () => {
    const slots = new ExecutorSlots(roomy);
    const [giveBack] = await fill(slots, "busy", limits.executorsPerTenantMax);
    const next = slots.take(asker("busy"), never);
    expect(await isWaiting(next)).toBe(true);
    expect(await slots.take(asker("other"), never)).toBeTypeOf("function");
    giveBack?.();
    expect(await next).toBeTypeOf("function");
  });

  test("are bounded over all tenants, and who waits longest comes first", async () => {
    const slots = new ExecutorSlots(roomy);
    const half = limits.executorsMax / 2;
    const [giveBack] = await fill(slots, "a", half);
    await fill(slots, "b", limits.executorsMax - half);
    const admitted: string[] = [];
    const [first, second] = ["c", "d"].map((tenantId) =>
      slots.take(asker(tenantId), never).then((slot) => {
        admitted.push(tenantId);
        return slot;
      }),
    );
    expect(await isWaiting(Promise.race([first, second]))).toBe(true);
    giveBack?.();
    (await first)?.();
    await second;
    expect(admitted).toEqual(["c", "d"]);
  });

  test("are not kept for a step that was cancelled while it waited", async () => {
    const slots = new ExecutorSlots(roomy);
    const [giveBack] = await fill(slots, "a", limits.executorsPerTenantMax);
    const cancelled = new AbortController();
    const waiting = slots.take(asker("a"), cancelled.signal);
    cancelled.abort();
    expect(await waiting).toBeUndefined();
    giveBack?.();
    expect(await slots.take(asker("a"), never)).toBeTypeOf("function");
    expect(await slots.take(asker("b"), AbortSignal.abort())).toBeUndefined();
  });

  test("are as many as there is memory for their results, and then of the run that holds most first", async () => {
    let room = 2;
    const slots = new ExecutorSlots({ hasRoomForResult: (atWork) => atWork < room });
    const [giveBack] = await fill(slots, "a", 2);
    const admitted: number[] = [];
    const waiting = [1, 3, 2].map((held) =>
      slots.take(asker("b", held), never).then((slot) => {
        admitted.push(held);
        return slot;
      }),
    );
    expect(await isWaiting(Promise.race(waiting))).toBe(true);
    giveBack?.();
    await waiting[1];
    expect(admitted).toEqual([3]);
    room = 4;
    slots.admit();
    await Promise.all(waiting);
    expect(admitted).toEqual([3, 2, 1]);
  });
});
