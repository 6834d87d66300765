import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Account } from "./postgres-account.ts";

/** How the directories of our sockets begin. */
export const socketDirectoryPrefix = "riposte-pg-";

/** A place for PostgreSQL's socket. */
export interface SocketDirectory {
  readonly path: string;
  remove(): void;
}

/**
 * Makes a new one for each start, so that no socket of a dead server is ever in the way, and removes that of the last.
 * It is in the temporary directory, since a socket's path has at most 103 bytes on macOS and 107 on Linux; the file
 * `socket` of the data directory tells where (`psql -h "$(cat .riposte/socket)" -U postgres riposte`).
 */
export function makeSocketDirectory(dataDirectory: string, { user }: Account): SocketDirectory {
  const note = path.join(dataDirectory, "socket");
  const last = readNote(note);
  if (path.basename(last).startsWith(socketDirectoryPrefix)) rmSync(last, { recursive: true, force: true });
  const parent = tmpdir().length <= parentLengthMax ? tmpdir() : "/tmp";
  const directory = mkdtempSync(path.join(parent, socketDirectoryPrefix));
  if (user) chownSync(directory, user.uid, user.gid);
  writeFileSync(note, directory, { mode: 0o600 });
  return {
    path: directory,
    remove() {
      rmSync(directory, { recursive: true, force: true });
      rmSync(note, { force: true });
    },
  };
}

/** Where the last start put it, whether or not it still runs. */
export function notedSocketDirectory(dataDirectory: string): string | undefined {
  return readNote(path.join(dataDirectory, "socket")) || undefined;
}

/** What `/riposte-pg-XXXXXX/.s.PGSQL.5432.lock` leaves of 103 bytes, with room. */
const parentLengthMax = 60;

function readNote(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
