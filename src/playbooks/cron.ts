import { Cron } from "croner";
import { shown } from "../core/json-path.ts";

/** In the order in which they are written, each with what can stand in it. */
const fieldKinds = [
  { name: "minute", range: "0 to 59" },
  { name: "hour", range: "0 to 23" },
  { name: "day of the month", range: "1 to 31, L (the last), 15W (the working day nearest to the 15th)" },
  { name: "month", range: "1 to 12 or JAN to DEC" },
  { name: "day of the week", range: "0 to 7 or SUN to SAT, 5L (the last Friday), 1#2 (the second Monday)" },
] as const;

/**
 * What is wrong with a cron expression, as a sentence; undefined if it is one and its time comes.
 * @param timezone One that {@link isTimeZone} knows.
 */
export function checkCron(cron: string, timezone: string): string | undefined {
  const fields = fieldsOf(cron);
  if (fields.length !== fieldKinds.length) {
    return `${shown(cron)} is no cron expression: minute, hour, day, month and weekday, such as "0 8 * * 1".`;
  }
  for (const [index, { name, range }] of fieldKinds.entries()) {
    const alone = fieldKinds.map((_, other) => (other === index ? (fields[index] ?? "") : "*"));
    if (!isReadable(alone.join(" "))) {
      return `${shown(fields[index] ?? "")} can't be the ${name}: ${range}, *, and of these ranges (1-5), steps (*/2, 1-5/2) and lists (1,3).`;
    }
  }
  if (!isReadable(cron)) return `${shown(cron)} is no cron expression.`;
  if (!nextTick(cron, timezone, anyTime)) return `${shown(cron)} never comes: there is no such day.`;
  return undefined;
}

// Without a year, what comes after one instant comes after any.
const anyTime = new Date("2027-01-01T00:00:00Z");

/** Whether this is a zone that schedules can be in: an IANA name such as Europe/Berlin, UTC, or an offset such as +02:00. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * The first instant after another that a schedule ticks at; undefined if it never does again. A time that the clocks skip is made up
 * for right after, and one that they repeat is there once; a schedule of every hour just goes on, and one of every so many minutes
 * goes on through what is repeated.
 * @throws Error for an expression or a zone that is none.
 */
export function nextTick(cron: string, timezone: string, after: Date): Date | undefined {
  let first: Date | undefined;
  for (const pattern of patternsOf(cron)) {
    const next = new Cron(pattern, { ...options, timezone }).nextRun(after) ?? undefined;
    if (next && (!first || next < first)) first = next;
  }
  return first;
}

// A minute and an hour without * and steps are the times of a day, which croner makes up for and does not repeat. All others are
// intervals to it, which go on in real time and skip what is skipped.
const options = { mode: "5-part", fixedTimeRule: "no-wildcard" } as const;

/**
 * What croner is to follow, all of them together. By itself it reads one meaning differently by its spelling (every second hour, once
 * with a step and once as a list), and would not run at all on the day that lacks the only hour of a schedule such as every 15 minutes
 * from 2 to 3.
 */
function patternsOf(cron: string): string[] {
  const [minute = "", hour = "", ...days] = fieldsOf(cron);
  const hours = valuesOf(hour, 23);
  if (hours.length === 24) return [[minute, "*", ...days].join(" ")];
  const times = [valuesOf(minute, 59).join(), hours.join(), ...days].join(" ");
  return /[*?/]/.test(minute) ? [cron, times] : [times];
}

/** The numbers that a field of numbers stands for. */
function valuesOf(field: string, max: number): number[] {
  const values = new Set<number>();
  for (const part of field.split(",")) {
    const [range = "", step = "1"] = part.split("/");
    const [from = 0, to = from] = /^[*?]$/.test(range) ? [0, max] : range.split("-").map(Number);
    for (let value = from; value <= to; value += Math.max(1, Number(step))) values.add(value);
  }
  return [...values].sort((a, b) => a - b);
}

function fieldsOf(cron: string): string[] {
  return cron.trim().split(/\s+/);
}

function isReadable(cron: string): boolean {
  try {
    new Cron(cron, options);
    return true;
  } catch {
    return false;
  }
}
