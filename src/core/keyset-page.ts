import { BadInputError } from "./failures.ts";
import { isUuid } from "./ids.ts";
import { isStorableText } from "./json.ts";
import { limits } from "./limits.ts";

/** The Relay arguments of a connection. */
export interface PageArguments {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

/** What to read: at most `limit` rows strictly between the two keys, in the connection's order or (`isInverted`) against it. */
export interface PageRange {
  readonly limit: number;
  readonly after: readonly string[] | undefined;
  readonly before: readonly string[] | undefined;
  readonly isInverted: boolean;
}

export interface PageSource<Row> {
  /** The row's place in the connection's order: one text for each column of the order, the last of them unique. */
  readonly key: (row: Row) => readonly string[];
  readonly keyLength: number;
  readonly find: (range: PageRange) => Promise<readonly Row[]>;
  readonly count: () => Promise<number>;
}

/**
 * One page of a connection, by keyset: its cost does not grow with how deep the page is.
 * @throws BadInputError for a page size out of bounds and for a cursor that is none of this connection's.
 */
export async function resolvePage<Row>(args: PageArguments, source: PageSource<Row>) {
  const size = pageSize(args);
  const isInverted = args.last != null;
  const rows = await source.find({
    limit: size + 1,
    after: decodeCursor(args.after, source.keyLength),
    before: decodeCursor(args.before, source.keyLength),
    isInverted,
  });
  const kept = rows.slice(0, size);
  if (isInverted) kept.reverse();
  const edges = kept.map((node) => ({ cursor: encodeCursor(source.key(node)), node }));
  const hasMore = rows.length > size;
  return {
    edges,
    totalCount: source.count,
    pageInfo: {
      hasNextPage: isInverted ? args.before != null : hasMore,
      hasPreviousPage: isInverted ? hasMore : args.after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

/** The size of the page that the arguments ask for. @throws BadInputError when it is out of bounds. */
export function pageSize({ first, last }: PageArguments): number {
  if (first != null && last != null) throw new BadInputError("Give either first or last, not both.");
  const size = first ?? last ?? limits.pageSizeDefault;
  if (size < 1 || size > limits.pageSizeMax) {
    throw new BadInputError(`A page holds between 1 and ${limits.pageSizeMax} rows; ${size} were asked for.`);
  }
  return size;
}

/**
 * The range of rows that are listed by their UUIDv7 alone, newest first: a condition on `id`, and the options of the read.
 * @throws BadInputError for a cursor that holds no UUID.
 */
export function newestFirst({ limit, after, before, isInverted }: PageRange) {
  const [below, above] = [after?.[0], before?.[0]];
  for (const id of [below, above]) if (id !== undefined && !isUuid(id)) throw foreignCursor();
  return {
    id: { ...(below === undefined ? {} : { $lt: below }), ...(above === undefined ? {} : { $gt: above }) },
    options: { orderBy: { id: isInverted ? ("asc" as const) : ("desc" as const) }, limit },
  };
}

export function encodeCursor(key: readonly string[]): string {
  return Buffer.from(JSON.stringify(key)).toString("base64url");
}

/** @throws BadInputError when the text is no cursor with that many parts. */
export function decodeCursor(text: string | null | undefined, length: number): readonly string[] | undefined {
  if (text == null) return undefined;
  try {
    const key: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    const isOurs = Array.isArray(key) && key.length === length;
    if (isOurs && key.every((part) => typeof part === "string" && isStorableText(part))) return key;
  } catch {
    // Falls through: not ours.
  }
  throw foreignCursor();
}

function foreignCursor(): BadInputError {
  return new BadInputError(
    "This is no cursor of this connection; take endCursor or an edge's cursor of an earlier page.",
  );
}
