import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** What a process of ours tells of itself, in the order in which it happens. */
export type Report =
  | readonly ["secret", value: string, origin: string]
  | readonly ["log", line: string]
  | readonly ["answer", connection: string, text: string]
  /** A database of its own runs in this directory. */
  | readonly ["opened", dataDirectory: string]
  | readonly ["column", column: string, text: string]
  /** Every column of that database has been told, and nothing is written to it any more. */
  | readonly ["read", dataDirectory: string];

/** Processes of ours that a test file starts: each writes a file of reports, in a directory that only we may read. */
export class WatchedProcesses {
  #directory: string | undefined;
  /** Of each process's file, how far it is read. */
  readonly #positions: number[] = [];

  /** Options for a Node that is to run a program of ours: it is watched then as this process is. Of one process each. */
  watch(): readonly string[] {
    this.#directory ??= mkdtempSync(path.join(tmpdir(), "riposte-watched-"));
    const file = this.#file(this.#positions.push(0));
    writeFileSync(file, "");
    const url = new URL("./watch-process.ts", import.meta.url);
    url.searchParams.set("file", file);
    return ["--import", url.href];
  }

  /** What they have told since it was last asked, in the order in which they were started. @returns The process's number, from 1, and what it tells. */
  *reports(): Generator<readonly [process: number, Report]> {
    for (const process of this.#positions.keys()) {
      for (const line of this.#newLines(process)) yield [process + 1, JSON.parse(line)];
    }
  }

  /** Forgets what was told. */
  close(): void {
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
    this.#directory = undefined;
    this.#positions.length = 0;
  }

  /** Whole lines only: the last of a process that was killed may be a part, of something that it then did not do. */
  #newLines(process: number): string[] {
    const position = this.#positions[process] ?? 0;
    const file = openSync(this.#file(process + 1), "r");
    const bytes = Buffer.alloc(fstatSync(file).size - position);
    const read = bytes.subarray(0, readSync(file, bytes, 0, bytes.length, position));
    closeSync(file);
    const end = read.lastIndexOf("\n") + 1;
    this.#positions[process] = position + end;
    return read.toString("utf8", 0, end).split("\n").filter(Boolean);
  }

  #file(process: number): string {
    return path.join(this.#directory ?? "", String(process));
  }
}
