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
