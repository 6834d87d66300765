import { describe, expect, test } from "vitest";
import { eventScope, lookUp } from "../../src/expressions/scope.ts";

describe("looking up a path", () => {
  test("reads own data properties only", () => {
    let wasRun = false;
    const host = {
      get secret() {
        wasRun = true;
        return "x";
      },
      run: () => "x",
      [Symbol.for("hidden")]: "x",
      list: [1],
      when: new Date(0),
      inner: Object.create({ inherited: "x" }),
    };
    for (const path of ["secret", "run", "toString", "hidden", "hasOwnProperty", "when"]) {
      expect(lookUp({ host }, ["host", path])).toBeUndefined();
    }
    expect(lookUp({ host }, ["host", "list", "map"])).toBeUndefined();
    expect(lookUp({ host }, ["host", "inner", "inherited"])).toBeUndefined();
    expect(lookUp({ host }, ["host", "run", "name"])).toBeUndefined();
    expect(lookUp({ host: "text" }, ["host", "length"])).toBeUndefined();
    expect(lookUp({}, ["toString"])).toBeUndefined();
    expect(wasRun).toBe(false);
  });

  test("finds what JSON holds, null and false included", () => {
    const scope = { a: [{ b: null, c: false }] };
    expect([lookUp(scope, ["a", 0, "b"]), lookUp(scope, ["a", 0, "c"]), lookUp(scope, ["a", 1])]).toEqual([
      null,
      false,
      undefined,
    ]);
  });
});

describe("an event", () => {
  const finding = { id: "f1", severity: "high", asset: { name: "web-1" } };

  test("about a finding gives the finding, its asset and the trigger", () => {
    const scope = eventScope({ type: "finding.new", data: { finding } });
    expect(scope).toEqual({ finding, asset: finding.asset, trigger: { alert: finding, finding } });
  });

  test("prefers its own asset to the finding's", () => {
    const asset = { name: "db-1" };
    expect(eventScope({ type: "finding.new", data: { finding, asset } })["asset"]).toBe(asset);
  });

  test("may be the finding's or the scan's fields themselves", () => {
    expect(eventScope({ type: "finding.new", data: finding })["finding"]).toMatchObject({ id: "f1" });
    expect(eventScope({ type: "scan.completed", data: { status: "completed" } })).toMatchObject({
      scan: { status: "completed" },
      trigger: { alert: { status: "completed" }, scan: { status: "completed" }, status: "completed" },
    });
  });

  test("of an ended action has the action as its object", () => {
    const data = { action: { name: "block-ip" }, step: "block", output: { ok: true } };
    expect(eventScope({ type: "action.completed", data })).toEqual({ trigger: { alert: data.action, ...data } });
  });

  test("of a start by hand takes its object from the context", () => {
    expect(eventScope({ type: "manual", data: { finding } })).toMatchObject({ finding, trigger: { alert: finding } });
    expect(eventScope({ type: "manual", data: { alert: { source_ip: "10.0.0.1" } } })).toEqual({
      trigger: { alert: { source_ip: "10.0.0.1" } },
    });
    expect(eventScope({ type: "manual", data: { source_ip: "10.0.0.1" } })).toMatchObject({
      trigger: { alert: { source_ip: "10.0.0.1" }, source_ip: "10.0.0.1" },
    });
  });

  test("without data gives an empty trigger", () => {
    for (const data of [undefined, null, "text", [1]]) {
      expect(eventScope({ type: "schedule", data })).toEqual({ trigger: { alert: {} } });
    }
  });

  test("can't pollute a prototype, nor reach one by its type", () => {
    const data = JSON.parse('{"__proto__":{"polluted":1},"finding":{"id":"f1"}}');
    const scope = eventScope({ type: "constructor.new", data });
    expect(lookUp(scope, ["trigger", "polluted"])).toBeUndefined();
    expect(lookUp(scope, ["trigger", "alert", "id"])).toBe("f1");
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});
