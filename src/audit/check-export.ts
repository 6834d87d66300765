import { isJsonObject } from "../core/json.ts";
import { type ChainEnd, chainBeginning, followChain, lineOf, type SealedEntry } from "./chain.ts";
import type { ExportEnd } from "./export-entries.ts";

/** What an exported trail is found to be. */
export type ExportCheck =
  | { readonly isIntact: true; readonly tenantId: string; readonly end: ChainEnd }
  /** `line` counts from 1. */
  | { readonly isIntact: false; readonly line: number; readonly problem: string };

interface Progress {
  readonly end: ChainEnd;
  readonly tenantId?: string;
  readonly isOver: boolean;
}

/** The lines of a text that comes in chunks. Not by `node:readline`, which ends a line at U+2028 too, as it may stand in a JSON text. */
export async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of chunks) {
    const [first = "", ...others] = chunk.split("\n");
    rest += first;
    for (const other of others) {
      yield rest;
      rest = other;
    }
  }
  if (rest !== "") yield rest;
}

/**
 * Checks an exported trail line by line, without a server: every hash, every link, one tenant, and that the last line is there. That it is the
 * server's own chain and not another one only `verifyAudit` can say, or an earlier export, whose hashes are in it.
 */
export async function checkExport(lines: AsyncIterable<string>): Promise<ExportCheck> {
  let progress: Progress = { end: chainBeginning, isOver: false };
  let line = 0;
  for await (const text of lines) {
    line += 1;
    const next = follow(progress, text);
    if (typeof next === "string") return { isIntact: false, line, problem: next };
    progress = next;
  }
  const { tenantId, end, isOver } = progress;
  if (tenantId !== undefined && isOver) return { isIntact: true, tenantId, end };
  return { isIntact: false, line: line + 1, problem: "the last line is missing, so this is not the whole" };
}

/** @returns How far it is intact with this line, or what is wrong with it. */
function follow({ end, tenantId, isOver }: Progress, text: string): Progress | string {
  if (isOver) return "there is more behind the last line";
  const read = readLine(text);
  if (read === undefined) return "this is no entry";
  const of = "end" in read ? read.end.tenantId : read.tenantId;
  if (tenantId !== undefined && tenantId !== of) return "this is of another tenant";
  if ("end" in read) {
    const isEnd = read.end.sequence === end.sequence && read.end.hash === end.hash;
    return isEnd ? { end, tenantId: of, isOver: true } : "the entries before do not end so";
  }
  const next = followChain(end, read);
  if ("broken" in next) return `the chain is broken at sequence ${next.broken}`;
  return { end: next, tenantId: of, isOver: false };
}

/** Undefined for what was not written so by an export, to the letter: what is not hashed would pass unseen else. */
function readLine(text: string): SealedEntry | ExportEnd | undefined {
  try {
    const read: unknown = JSON.parse(text);
    if (!isJsonObject(read)) return undefined;
    if (isJsonObject(read["end"])) return read as unknown as ExportEnd;
    const entry = read as unknown as SealedEntry;
    return lineOf(entry) === text ? entry : undefined;
  } catch {
    return undefined;
  }
}
