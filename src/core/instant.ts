const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/i;

/** The instant of an RFC 3339 text with a zone, such as `2026-01-31T09:30:00Z`; undefined for any other text, and for a day or an hour that is none. */
export function parseInstant(text: string): Date | undefined {
  if (!rfc3339.test(text) || !isOnTheClock(text.slice(0, 19))) return undefined;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** Whether clocks and calendars show this; `Date` takes the 30th of February for the 2nd of March. */
function isOnTheClock(local: string): boolean {
  const date = new Date(`${local}Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(local.toUpperCase());
}
