import { describe, expect, test } from "vitest";
import type { Issue } from "../../src/core/failures.ts";
import { limits } from "../../src/core/limits.ts";
import { action, check, playbook } from "./playbook-text.ts";

const checked = (trigger: string) =>
  check(playbook(action("a")).replace("trigger:\n  event: manual\n", `trigger: ${trigger}\n`));
const told = ({ code, path, message }: Issue) => `${code} ${path}: ${message}`;

/** `code path: message` of what is wrong with a trigger, given as YAML. */
const problemsOf = (trigger: string): string[] => checked(trigger).issues.map(told);
const warningsOf = (trigger: string): string[] => checked(trigger).warnings.map(told);

describe("a schedule's trigger", () => {
  test("is told what is wrong with its cron and its zone, both at once", () => {
    expect(problemsOf('{event: schedule, cron: "61 8 * * *", timezone: Mars/Olympus}')).toEqual([
      expect.stringMatching(/^cron_syntax \$\.trigger\.cron: "61" can't be the minute: 0 to 59/),
      expect.stringMatching(/^unknown_time_zone \$\.trigger\.timezone: "Mars\/Olympus"/),
    ]);
    expect(problemsOf('{event: schedule, cron: "0 0 8 * * 1"}')).toEqual([
      expect.stringMatching(/^cron_syntax .* is no cron expression/),
    ]);
  });

  test("is refused when its time never comes", () => {
    expect(problemsOf('{event: schedule, cron: "0 8 30 2 *", timezone: Europe/Berlin}')).toEqual([
      expect.stringMatching(/^cron_syntax .* never comes/),
    ]);
    expect(problemsOf('{event: schedule, cron: "0 8 29 2 *", timezone: Europe/Berlin}')).toEqual([]);
  });

  test("is warned of conditions that no tick can meet", () => {
    const conditions =
      "{severity: high, $or: [{isCatchUp: false}, {$not: {schedule.cron: x}}, {scheduleAt: {$exists: true}}]}";
    expect(warningsOf(`{event: schedule, cron: "0 8 * * *", conditions: ${conditions}}`)).toEqual([
      expect.stringMatching(/^unknown_path \$\.trigger\.conditions\.severity: .* never "severity"/),
      expect.stringMatching(
        /^unknown_path \$\.trigger\.conditions\.\$or\[2\]\.scheduleAt: .* Did you mean "scheduledAt"/,
      ),
    ]);
  });
});

describe("a trigger's conditions", () => {
  const fields = (count: number) => Array.from({ length: count }, (_, n) => `f${n}: {$gte: 1, $lt: 2}`).join(", ");
  const nested = (depth: number) => `${"{$not: ".repeat(depth)}{a: 1}${"}".repeat(depth)}`;

  test("are so many at most, those of groups counted as well", () => {
    const quarter = limits.conditionRulesMax / 4;
    const groups = `$or: [{${fields(quarter)}}, {$not: {${fields(quarter)}}}]`;
    expect(problemsOf(`{event: finding.new, conditions: {${fields(2 * quarter)}}}`)).toEqual([]);
    expect(problemsOf(`{event: finding.new, conditions: {${groups}}}`)).toEqual([]);
    expect(problemsOf(`{event: finding.new, conditions: {${groups}, a: 1}}`)).toEqual([
      expect.stringMatching(/^too_many_rules \$\.trigger\.conditions: .* has 201/),
    ]);
    const values = Array.from({ length: 1_000 }, (_, n) => n).join(", ");
    expect(problemsOf(`{event: finding.new, conditions: {port: {$in: [${values}]}}}`)).toEqual([]);
  });

  test("have no effect where no event starts the playbook", () => {
    expect(warningsOf("{event: manual, conditions: {severity: high}}")).toEqual([
      expect.stringMatching(/^no_effect \$\.trigger\.conditions/),
    ]);
    expect(warningsOf("{event: finding.new, conditions: {severity: high}}")).toEqual([]);
  });

  test("nest so deep at most", () => {
    expect(problemsOf(`{event: finding.new, conditions: ${nested(limits.conditionDepthMax)}}`)).toEqual([]);
    expect(problemsOf(`{event: finding.new, conditions: ${nested(limits.conditionDepthMax + 1)}}`)).toEqual([
      expect.stringMatching(/^too_deep \$\.trigger\.conditions/),
    ]);
  });
});
