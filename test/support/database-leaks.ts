import type pg from "pg";
import type { LeakFinder } from "./leak-finder.ts";

interface Table {
  readonly name: string;
  readonly columns: readonly string[];
}

/** A column that a secret stands in, and which. */
export interface ColumnFind {
  readonly place: string;
  readonly find: ReturnType<LeakFinder["find"]>[number];
}

/** Columns that texts can stand in, quoted, by table; of a table without rows mostly none. */
const tablesSql = `
  select c.oid::regclass::text as name, array_agg(quote_ident(a.attname) order by a.attnum) as columns
  from pg_class c join pg_attribute a on a.attrelid = c.oid join pg_type t on t.oid = a.atttypid
  left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'
  where c.relkind in ('r', 'm') and a.attnum > 0 and not a.attisdropped
    and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    and pg_relation_size(c.oid) > 0
    and coalesce(e.typname, t.typname) in ('text', 'varchar', 'bpchar', 'name', 'json', 'jsonb', 'bytea', 'xml')
  group by c.oid`;

/** Looks at every text of every table: all rows in one round trip, since databases of tests are small. */
export async function findInDatabase(client: pg.ClientBase, finder: LeakFinder): Promise<ColumnFind[]> {
  const { rows: tables } = await readTables(client);
  const texts = await textsOf(
    client,
    tables.map(({ name, columns }) => `select concat_ws(E'\\n', ${asTexts(columns)}) as text from ${name}`),
  );
  const finds: ColumnFind[] = [];
  for (const [index, text] of texts.entries()) {
    const table = tables[index];
    if (table && finder.find(text).length > 0) finds.push(...(await findInTable(client, finder, table)));
  }
  return finds;
}

/** Every text of every table, by its column: all rows of one as lines. */
export async function textsInDatabase(
  client: pg.ClientBase,
): Promise<{ readonly column: string; readonly text: string }[]> {
  const { rows: tables } = await readTables(client);
  const texts: { column: string; text: string }[] = [];
  for (const table of tables) texts.push(...(await textsInTable(client, table)));
  return texts;
}

async function readTables(client: pg.ClientBase): Promise<pg.QueryResult<Table>> {
  // Whoever still holds a lock is about to be cut off with the database.
  await client.query("set lock_timeout = '10s'");
  return client.query<Table>(tablesSql);
}

async function findInTable(client: pg.ClientBase, finder: LeakFinder, table: Table): Promise<ColumnFind[]> {
  const texts = await textsInTable(client, table);
  return texts.flatMap(({ column, text }) =>
    finder.find(text).map((find) => ({ place: `the column ${column}`, find })),
  );
}

async function textsInTable(client: pg.ClientBase, { name, columns }: Table) {
  const texts = await textsOf(
    client,
    columns.map((column) => `select ${column}::text as text from ${name} where ${column} is not null`),
  );
  return texts.map((text, index) => ({ column: `${name}.${columns[index]}`, text }));
}

function asTexts(columns: readonly string[]): string {
  return columns.map((column) => `${column}::text`).join(", ");
}

/** What each statement answers, its rows as lines. */
async function textsOf(client: pg.ClientBase, statements: readonly string[]): Promise<string[]> {
  if (statements.length === 0) return [];
  const answered = (await client.query({ text: statements.join(";"), rowMode: "array" })) as unknown;
  const results = (Array.isArray(answered) ? answered : [answered]) as pg.QueryArrayResult<[string]>[];
  return results.map(({ rows }) => rows.map(([text]) => text).join("\n"));
}
