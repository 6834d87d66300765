import { LiveActionDispatch } from "./entities.ts";

/** A row of the table as JSON, by its columns. As columns of their own, the driver would take three times as long to read them. */
export type DispatchRow = Readonly<Record<string, unknown>>;

/** What a statement answers of a dispatch. */
export interface FoundRow {
  readonly id: string;
  readonly row: DispatchRow;
}

const times = new Set(["created_at", "lease_until", "completed_at"]);
const notColumns = new Set(["state_before", "cost_before", "is_uncalled"]);

/** @returns In the order of what was asked for. */
export function foundOf(
  asked: readonly { readonly id: string }[],
  rows: readonly FoundRow[],
): (LiveActionDispatch | undefined)[] {
  const byId = new Map(rows.map(({ id, row }) => [id, dispatchOf(row)]));
  return asked.map(({ id }) => byId.get(id));
}

/** Not by the ORM: that would take as long as the statement does, for an entity that nobody changes. */
export function dispatchOf(row: DispatchRow): LiveActionDispatch {
  const dispatch: Record<string, unknown> = {};
  for (const column in row) {
    const name = propertyOf(column);
    if (name === undefined) continue;
    const value = row[column];
    dispatch[name] = times.has(column) && typeof value === "string" ? new Date(value) : value;
  }
  // Last: the prototype of an entity has setters for its properties, which note what changes.
  return Object.setPrototypeOf(dispatch, LiveActionDispatch.prototype) as LiveActionDispatch;
}

const properties = new Map<string, string>();

/** A column's property; undefined for what only the statement has. The columns are the table's, so they are few. */
function propertyOf(column: string): string | undefined {
  const known = properties.get(column);
  if (known !== undefined || notColumns.has(column)) return known;
  const name = column.replace(/_[a-z]/g, ([, letter = ""]) => letter.toUpperCase());
  properties.set(column, name);
  return name;
}
