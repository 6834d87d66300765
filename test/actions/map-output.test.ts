import { describe, expect, test } from "vitest";
import { mapOutput } from "../../src/actions/map-output.ts";
import type { Json } from "../../src/core/json.ts";

describe("the output of a step", () => {
  const output_mapping = { block_status: "result.status", rule_id: "result.data.rule_id", first: "result.list[0]" };

  test("is the result with the mapped variables laid over it", () => {
    const result = { status: "ok", data: { rule_id: 7 }, rule_id: "old", list: [1] };
    expect(mapOutput({ output_mapping }, result)).toEqual({ ...result, block_status: "ok", rule_id: 7, first: 1 });
  });

  test("has null for a path that finds nothing", () => {
    expect(mapOutput({ output_mapping }, {})).toEqual({ block_status: null, rule_id: null, first: null });
  });

  test("holds a result that is no object beside the variables", () => {
    expect(mapOutput({ output_mapping: { first: "result[0]" } }, [5])).toEqual({ result: [5], first: 5 });
    expect(mapOutput({}, [5])).toEqual([5]);
  });

  test("reads own data only, and keeps a __proto__ key a key", () => {
    const result = JSON.parse('{"__proto__": {"polluted": true}, "data": {}}') as Json;
    const output = mapOutput({ output_mapping: { a: "result.data.toString" } }, result);
    expect(Object.hasOwn(output as object, "__proto__")).toBe(true);
    expect(output).toMatchObject({ a: null });
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});
