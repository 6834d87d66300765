import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { playbookDocumentSchema } from "../../src/playbooks/document-schema.ts";
import { graphOf } from "../../src/playbooks/graph.ts";
import type { Plan, PlanStep } from "../../src/playbooks/plan.ts";
import { readSource } from "../../src/playbooks/source.ts";
import { check, plan } from "./playbook-text.ts";

type Fields = Readonly<Record<string, Json | undefined>>;

/** Where to go on: a step so many further down, or a word. Documents lead forwards only, so none has a circle. */
type Way = number | string | undefined;

const duration = fc.constantFrom("500ms", "90s", "5m", "4h", "1d", "1h30m");
const forwards = fc.oneof(fc.constantFrom(undefined, undefined, "next", "end"), fc.nat(3));
const onFailure = fc.oneof(fc.constantFrom(undefined, undefined, "abort", "continue", "retry"), fc.nat(3));
const approvers = fc.array(fc.constantFrom<JsonObject>({ role: "lead" }, { user: "alice" }), {
  minLength: 1,
  maxLength: 3,
});
const retries = {
  max_retries: fc.option(fc.nat(5), { nil: undefined }),
  retry_delay: fc.option(duration, { nil: undefined }),
  on_interrupt: fc.constantFrom(undefined, undefined, "retry", "fail"),
};
const timeout = fc.option(duration, { nil: undefined });
const action = {
  action_ref: fc.constant("block-ip"),
  parameters: fc.constantFrom(undefined, { a: "{{ finding.id }}" }),
};
const asking = { approvers, message: fc.constantFrom(undefined, "Well?"), timeout };

const branch = fc.oneof(
  fc.record<Fields>({ type: fc.constantFrom(undefined, "action"), ...action, ...retries, timeout }),
  fc.record<Fields>({ type: fc.constant("delay"), duration, ...retries }),
  fc.record<Fields>({
    type: fc.constant("approval"),
    ...asking,
    ...retries,
    on_timeout: fc.constantFrom(undefined, "abort"),
  }),
);
const branches = fc.array(
  fc
    .tuple(branch, fc.constantFrom(undefined, "abort", "continue", "retry"))
    .map(([fields, rule]) => ({ ...fields, on_failure: rule })),
  { minLength: 1, maxLength: 4 },
);

interface Made {
  readonly fields: Fields;
  readonly ways: Readonly<Record<string, Way>>;
  readonly branches?: readonly Fields[];
}
const onwards = { on_success: forwards, on_failure: onFailure };
const step: fc.Arbitrary<Made> = fc.oneof(
  fc.record({
    fields: fc.record<Fields>({ type: fc.constant("action"), ...action, ...retries, timeout }),
    ways: fc.record(onwards),
  }),
  fc.record({
    fields: fc.record<Fields>({ type: fc.constant("delay"), duration, ...retries }),
    ways: fc.record(onwards),
  }),
  fc.record({
    fields: fc.record<Fields>({
      type: fc.constant("condition"),
      expression: fc.constant("{{ finding.cvss }} > 7"),
      ...retries,
    }),
    ways: fc.record({ on_true: forwards, on_false: forwards, ...onwards }),
  }),
  fc.record({
    fields: fc.record<Fields>({ type: fc.constant("approval"), ...asking, ...retries }),
    ways: fc.record({ ...onwards, on_timeout: fc.oneof(fc.constantFrom(undefined, "abort"), fc.nat(3)) }),
  }),
  fc.record({
    fields: fc.record<Fields>({
      type: fc.constant("parallel"),
      join: fc.constantFrom(undefined, "all", "any"),
      ...retries,
      timeout,
    }),
    ways: fc.record(onwards),
    branches,
  }),
);

/** A document of what was made; a way that leads past its end is left out. */
function documentOf(made: readonly Made[], strategy: string | undefined): Json {
  const steps = made.map(({ fields, ways, branches: inner }, index) => ({
    id: `s${index}`,
    name: `Step ${index}`,
    ...fields,
    ...Object.fromEntries(
      Object.entries(ways).map(([field, way]) => {
        const target = index + 1 + Number(way);
        return [field, typeof way !== "number" ? way : target < made.length ? `s${target}` : undefined];
      }),
    ),
    ...(inner ? { branches: inner.map((one, at) => ({ id: `s${index}b${at}`, ...one })) } : {}),
  }));
  const head = { id: "pb", name: "Any", version: "1.0.0", trigger: { event: "manual" }, on_failure: strategy };
  return JSON.parse(JSON.stringify({ ...head, steps })) as Json;
}

/** Every step that the engine may go to from a step, but for its branches. */
function waysOf(from: PlanStep): string[] {
  const rules = [from.onFailure, from.type === "APPROVAL" ? from.onTimeout : "abort"];
  const named = rules.flatMap((rule) => (typeof rule === "object" ? [rule.step] : []));
  const own = from.type === "CONDITION" ? [from.onTrue, from.onFalse] : [];
  return [...named, ...own, from.onSuccess].filter((id) => id !== null);
}

function expectSound({ steps, first }: Plan): void {
  expect(steps.get(first)?.parallel).toBeUndefined();
  for (const [id, one] of steps) {
    expect(one.id).toBe(id);
    // Every way leads to a step, and none into a parallel step past its beginning.
    for (const to of waysOf(one)) expect(steps.get(to)).toMatchObject({ id: to });
    for (const to of waysOf(one)) expect(steps.get(to)?.parallel).toBeUndefined();
    if (one.type === "PARALLEL") expectBranches(one.branches, one, [...steps.values()]);
    if (one.parallel !== undefined) {
      expect(waysOf(one)).toEqual([]);
      expect(["abort", "continue"]).toContain(one.onFailure);
      expect(steps.get(one.parallel)).toMatchObject({ branches: expect.arrayContaining([id]) });
    }
    if (one.type === "APPROVAL") {
      expect(["continue", "retry"]).not.toContain(one.onFailure);
      expect(one.maxRetries).toBe(0);
    }
  }
}

function expectBranches(ids: readonly string[], { id }: PlanStep, steps: readonly PlanStep[]): void {
  const at = steps.findIndex((one) => one.id === id);
  const behind = steps.slice(at + 1, at + 1 + ids.length);
  expect(behind.map((one) => [one.id, one.parallel])).toEqual(ids.map((branchId) => [branchId, id]));
}

/** Whether the picture says of each step what the plan does. */
function expectSameWays(document: JsonObject, { steps }: Plan): void {
  const { nodes, edges } = graphOf(document);
  expect(nodes.map(({ stepId, type }) => [stepId, type])).toEqual(
    [...steps.values()].map(({ id, type }) => [id, type]),
  );
  for (const one of steps.values()) {
    const shown = edges.filter(({ from, on }) => from === one.id && on !== "BRANCH" && on !== "JOIN");
    const to = (kind: string) => shown.find(({ on }) => on === kind)?.to ?? null;
    if (one.parallel !== undefined) expect(shown).toEqual([]);
    else {
      const after =
        one.onFailure === "continue" ? one.onSuccess : typeof one.onFailure === "object" ? one.onFailure.step : null;
      expect(to("FAILURE")).toBe(after);
      if (one.type === "CONDITION") expect([to("TRUE"), to("FALSE")]).toEqual([one.onTrue, one.onFalse]);
      else expect(to("SUCCESS")).toBe(one.onSuccess);
      if (one.type === "APPROVAL")
        expect(to("TIMEOUT")).toBe(typeof one.onTimeout === "object" ? one.onTimeout.step : null);
    }
  }
}

describe("any document whose ways lead forwards", () => {
  test("is valid, and compiles to a plan in which every way leads to a step and no branch leads anywhere", () => {
    const validate = new Ajv2020({ strict: true }).compile(playbookDocumentSchema);
    const any = fc.tuple(
      fc.array(step, { minLength: 1, maxLength: 8 }),
      fc.constantFrom(undefined, "abort", "continue", "retry"),
    );
    fc.assert(
      fc.property(any, ([made, strategy]) => {
        const text = JSON.stringify(documentOf(made, strategy));
        expect(check(text).issues).toEqual([]);
        const document = readSource(text).document ?? {};
        expect(validate(document)).toBe(true);
        const compiled = plan(text);
        expectSound(compiled);
        expectSameWays(document, compiled);
      }),
      { numRuns: 1_000 },
    );
  });
});
