import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkCron, isTimeZone, nextTick } from "../../src/playbooks/cron.ts";

/** The ticks after an instant until another, as the clocks of the zone show them. */
function ticksBetween(cron: string, timezone: string, [after, until]: readonly [string, string]): string[] {
  const local = new Intl.DateTimeFormat("sv-SE", { timeZone: timezone, dateStyle: "short", timeStyle: "short" });
  return instantsBetween(cron, timezone, [after, until]).map((tick) => local.format(tick));
}

function instantsBetween(cron: string, timezone: string, [after, until]: readonly [string, string]): Date[] {
  const ticks: Date[] = [];
  for (let tick = nextTick(cron, timezone, new Date(after)); tick && tick < new Date(until); ) {
    ticks.push(tick);
    tick = nextTick(cron, timezone, tick);
  }
  return ticks;
}

const berlinSpring = ["2027-03-27T12:00Z", "2027-03-29T12:00Z"] as const;
const berlinAutumn = ["2027-10-30T12:00Z", "2027-11-01T12:00Z"] as const;

describe("the tick of a day", () => {
  test("in the hour that the clocks skip comes right after it, once", () => {
    expect(ticksBetween("30 2 * * *", "Europe/Berlin", berlinSpring)).toEqual(["2027-03-28 03:00", "2027-03-29 02:30"]);
    expect(ticksBetween("0,30 2,3 * * *", "Europe/Berlin", berlinSpring).slice(0, 3)).toEqual([
      "2027-03-28 03:00",
      "2027-03-28 03:30",
      "2027-03-29 02:00",
    ]);
  });

  test("in the hour that the clocks repeat comes the first time only", () => {
    const ticks = instantsBetween("30 2 * * *", "Europe/Berlin", berlinAutumn);
    expect(ticks.map((tick) => tick.toISOString())).toEqual(["2027-10-31T00:30:00.000Z", "2027-11-01T01:30:00.000Z"]);
  });

  test("stays at its hour when the clocks change", () => {
    expect(ticksBetween("0 8 * * *", "Europe/Berlin", berlinSpring)).toEqual(["2027-03-28 08:00", "2027-03-29 08:00"]);
    expect(ticksBetween("0 9 * * *", "America/St_Johns", ["2027-03-13T00:00Z", "2027-03-15T00:00Z"])).toEqual([
      "2027-03-13 09:00",
      "2027-03-14 09:00",
    ]);
  });

  test.each([
    ["Asia/Kolkata", "0 9 * * *", ["2027-03-13T03:30", "2027-03-14T03:30"]],
    ["America/St_Johns", "15 2 * * *", ["2027-03-13T05:45", "2027-03-14T05:30"]],
    ["America/St_Johns", "30 1 * * *", ["2027-03-13T05:00", "2027-03-14T05:00"]],
    ["Asia/Kathmandu", "0 0 * * *", ["2027-03-12T18:15", "2027-03-13T18:15"]],
  ])("is right in %s, whose clocks are off by parts of an hour: %s", (timezone, cron, expected) => {
    const ticks = instantsBetween(cron, timezone, ["2027-03-12T18:00Z", "2027-03-14T18:00Z"]);
    expect(ticks.map((tick) => tick.toISOString().slice(0, 16))).toEqual(expected);
  });

  test("is made up for where clocks skip half an hour, and midnight", () => {
    expect(ticksBetween("15 2 * * *", "Australia/Lord_Howe", ["2027-10-02T00:00Z", "2027-10-03T20:00Z"])).toEqual([
      "2027-10-03 02:30",
      "2027-10-04 02:15",
    ]);
    expect(ticksBetween("0 0 * * *", "Africa/Cairo", ["2027-04-29T12:00Z", "2027-05-01T00:00Z"])).toEqual([
      "2027-04-30 01:00",
      "2027-05-01 00:00",
    ]);
  });

  test("of February 29 comes in leap years", () => {
    const ticks = instantsBetween("0 12 29 2 *", "UTC", ["2027-01-01T00:00Z", "2037-01-01T00:00Z"]);
    expect(ticks.map((tick) => tick.toISOString().slice(0, 10))).toEqual(["2028-02-29", "2032-02-29", "2036-02-29"]);
    expect(nextTick("0 12 29 2 *", "UTC", new Date("2096-03-01T00:00Z"))?.toISOString()).toContain("2104-02-29");
  });
});

describe("a schedule of every so many minutes", () => {
  test.each(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Cairo", "UTC"])(
    "neither pauses nor repeats in %s, in the months in which clocks change",
    (timezone) => {
      for (const [after, until] of [
        ["2027-03-10T00:00Z", "2027-05-05T00:00Z"],
        ["2027-09-30T00:00Z", "2027-11-10T00:00Z"],
      ] as const) {
        const ticks = instantsBetween("*/15 * * * *", timezone, [after, until]);
        const gaps = new Set(ticks.slice(1).map((tick, index) => tick.getTime() - (ticks[index]?.getTime() ?? 0)));
        expect([...gaps]).toEqual([15 * 60_000]);
      }
    },
  );

  test("and of every hour goes on each hour", () => {
    for (const cron of ["0 * * * *", "0 0-23 * * *", "0 */1 * * *"]) {
      for (const span of [berlinSpring, berlinAutumn]) {
        const ticks = instantsBetween(cron, "Europe/Berlin", span);
        expect(ticks).toHaveLength(47);
        expect(new Set(ticks.map((tick) => tick.getTime() % 3_600_000))).toEqual(new Set([0]));
      }
    }
  });

  test("in one hour of the day comes once where that hour is skipped, and goes on where it is repeated", () => {
    const ticks = (span: readonly [string, string]) => ticksBetween("*/30 2 * * *", "Europe/Berlin", span);
    expect(ticks(berlinSpring)).toEqual(["2027-03-28 03:00", "2027-03-29 02:00", "2027-03-29 02:30"]);
    expect(ticks(berlinAutumn).map((tick) => tick.slice(8))).toEqual([
      "31 02:00",
      "31 02:30",
      "31 02:00",
      "31 02:30",
      "01 02:00",
      "01 02:30",
    ]);
  });

  test("goes on where some hours of the day are left out", () => {
    const ticks = (span: readonly [string, string]) => ticksBetween("*/30 0-2,4 * * *", "Europe/Berlin", span);
    expect(ticks(["2027-03-28T00:00Z", "2027-03-28T03:00Z"])).toEqual([
      "2027-03-28 01:30",
      "2027-03-28 03:00",
      "2027-03-28 04:00",
      "2027-03-28 04:30",
    ]);
  });
});

describe("a schedule of some hours", () => {
  test("is the same however it is written", () => {
    for (const [one, other] of [
      ["0 */2 * * *", "0 0,2,4,6,8,10,12,14,16,18,20,22 * * *"],
      ["30 0-6/3 * * *", "30 0,3,6 * * *"],
    ] as const) {
      for (const span of [berlinSpring, berlinAutumn]) {
        expect(instantsBetween(one, "Europe/Berlin", span)).toEqual(instantsBetween(other, "Europe/Berlin", span));
      }
    }
  });

  test("has each of them once a day", () => {
    const ticks = (span: readonly [string, string]) => ticksBetween("0 */2 * * *", "Europe/Berlin", span);
    expect(ticks(berlinSpring).filter((tick) => tick < "2027-03-28 06:30" && tick > "2027-03-28")).toEqual([
      "2027-03-28 00:00",
      "2027-03-28 03:00",
      "2027-03-28 04:00",
      "2027-03-28 06:00",
    ]);
    expect(ticks(berlinAutumn).filter((tick) => tick < "2027-10-31 06:30" && tick > "2027-10-31")).toEqual([
      "2027-10-31 00:00",
      "2027-10-31 02:00",
      "2027-10-31 04:00",
      "2027-10-31 06:00",
    ]);
  });
});

describe("the next tick", () => {
  test("is after the instant, and the same from wherever before it one looks", () => {
    const minute = fc.constantFrom("0", "30", "5,35", "*/15", "*", "7-59/20");
    const hour = fc.constantFrom("*", "2", "1-3", "*/2", "0,12", "0-6/3", "23", "1");
    const day = fc.constantFrom("* * *", "* * 0", "28-31 * *", "L * *", "1 * 1");
    const cron = fc.tuple(minute, hour, day).map((fields) => fields.join(" "));
    const zone = fc.constantFrom(
      "Europe/Berlin",
      "America/St_Johns",
      "Australia/Lord_Howe",
      "Africa/Cairo",
      "America/Havana",
    );
    const changes = [
      "2027-03-28T01:00Z",
      "2027-10-31T01:00Z",
      "2027-03-14T05:30Z",
      "2027-11-07T04:30Z",
      "2027-10-02T15:30Z",
    ];
    const near = fc.tuple(
      fc.constantFrom(...changes, "2027-04-29T22:00Z", "2027-10-28T21:00Z"),
      fc.integer({ min: -300, max: 300 }),
    );
    fc.assert(
      fc.property(
        cron,
        zone,
        near,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (expression, timezone, [change, minutes], share) => {
          const after = new Date(new Date(change).getTime() + minutes * 60_000);
          const next = nextTick(expression, timezone, after)?.getTime() ?? Number.NaN;
          expect(next).toBeGreaterThan(after.getTime());
          expect(next % 60_000).toBe(0);
          const between = new Date(after.getTime() + Math.floor((next - after.getTime() - 1) * share));
          expect([between.toISOString(), nextTick(expression, timezone, between)?.getTime()]).toEqual([
            between.toISOString(),
            next,
          ]);
        },
      ),
      { numRuns: 1_500 },
    );
  });

  test("is undefined for a day that there is not", () => {
    expect(nextTick("0 8 30 2 *", "UTC", new Date())).toBeUndefined();
  });
});

describe("checking a cron expression", () => {
  test.each([
    "0 8 * * 1",
    "*/15 * * * *",
    "0 8 * JAN-mar Mon-Fri",
    "0 8-18/2 1,15 * *",
    "0 8 L * *",
    "0 8 15W * *",
    "0 8 * * 5L",
    "0 8 * * FRI#2",
    "0 8 ? * 7",
    " 0  8 * *\t1 ",
    "0 0 29 2 *",
  ])("finds nothing wrong with %j", (cron) => {
    expect(checkCron(cron, "Europe/Berlin")).toBeUndefined();
  });

  test.each([
    ["", "is no cron expression"],
    ["0 8 * *", "is no cron expression"],
    ["0 0 8 * * 1", "is no cron expression"],
    ["@daily", "is no cron expression"],
    ["60 8 * * *", '"60" can\'t be the minute: 0 to 59'],
    ["0 24 * * *", '"24" can\'t be the hour'],
    ["0 8 32 * *", '"32" can\'t be the day of the month'],
    ["0 8 0 * *", '"0" can\'t be the day of the month'],
    ["0 8 * MON *", '"MON" can\'t be the month'],
    ["0 8 * * 8", '"8" can\'t be the day of the week'],
    ["5/10 * * * *", '"5/10" can\'t be the minute'],
    ["*/0 * * * *", '"*/0" can\'t be the minute'],
    ["9-5 * * * *", '"9-5" can\'t be the minute'],
    ["a b c d e", '"a" can\'t be the minute'],
    ["0 8 30 2 *", "never comes"],
    ["0 8 31 4,6,9,11 *", "never comes"],
  ])("says of %j that it %s", (cron, problem) => {
    expect(checkCron(cron, "UTC")).toContain(problem);
  });

  test("knows the zones that a schedule can be in", () => {
    const zones = [
      "UTC",
      "Europe/Berlin",
      "America/Argentina/Buenos_Aires",
      "+05:30",
      "Mars/Olympus",
      "",
      "GMT+25",
      "../etc",
    ];
    expect(zones.filter(isTimeZone)).toEqual(zones.slice(0, 4));
    for (const zone of zones.slice(0, 4)) expect(nextTick("0 8 * * *", zone, new Date())).toBeDefined();
  });
});
