/** Where the database is: a URL, or the directory of a Unix socket with a database's name. */
export type DatabaseAddress =
  | { readonly url: string }
  | { readonly socketDirectory: string; readonly user: string; readonly database: string };

/** What a plain `pg` client needs to reach the same database. */
export function clientConfig(address: DatabaseAddress): Record<string, string> {
  return "url" in address
    ? { connectionString: address.url }
    : { host: address.socketDirectory, user: address.user, database: address.database };
}

/** The host and port that a client of the address connects to; undefined for a Unix socket. What follows the `?` of a URL goes before the rest. */
export function endpointOf(address: DatabaseAddress): { readonly host: string; readonly port: number } | undefined {
  if (!("url" in address)) return undefined;
  const { hostname, port, searchParams } = new URL(address.url);
  const host = searchParams.get("host") ?? hostname;
  if (host === "" || host.startsWith("/")) return undefined;
  return { host, port: Number(searchParams.get("port") || port || 5432) };
}
