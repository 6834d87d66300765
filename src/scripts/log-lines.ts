import { storableText } from "../core/json.ts";
import { scriptLimits } from "../core/script-limits.ts";

/** Makes log lines of the bytes that a script writes. */
export interface LogLines {
  push(chunk: Uint8Array): void;
  /** Hands on what has no line end. */
  end(): void;
}

/** Told of each line as it comes, in order. */
export type OnLog = (stream: "STDOUT" | "STDERR" | "SYSTEM", text: string) => void;

/** How secrets are kept out of the lines; without it, every line stands as it was written. */
export interface LineRules {
  /** Takes them out: of the text before it is divided, and of each line. */
  readonly mask?: { text(line: string): string; stream(): { push(chunk: string): string; end(): string } };
  /** Stands for a line that is too long, where nobody has masked it yet: a cut could leave half a secret. */
  readonly tooLong?: string;
}

const cutMark = " … [cut]";

/**
 * Bytes of stderr to log lines, each handed on as soon as it is complete: masked before it is divided, so that neither the border of a
 * chunk nor a cut shows part of a secret. Invalid UTF-8 is replaced. Longer lines than `scriptLimits.logLineBytesMax` are cut and marked; after
 * `scriptLimits.logLinesPerAttemptMax` lines one notice says that the rest is dropped.
 */
export function createLogLines(onLog: OnLog, { mask, tooLong }: LineRules): LogLines {
  const { logLineBytesMax, logLinesPerAttemptMax } = scriptLimits;
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const masking = mask?.stream() ?? { push: (chunk: string) => chunk, end: () => "" };
  let line = "";
  let isCut = false;
  let lineCount = 0;

  function emit(text: string): void {
    lineCount += 1;
    const written = text.replace(/\r$/, "");
    if (lineCount <= logLinesPerAttemptMax) onLog("STDERR", storableText(mask?.text(written) ?? written));
    else if (lineCount === logLinesPerAttemptMax + 1) {
      onLog("SYSTEM", `The script wrote more than ${logLinesPerAttemptMax} lines; the rest is dropped.`);
    }
  }

  function add(part: string): void {
    if (isCut) return;
    line += part;
    if (Buffer.byteLength(line) <= logLineBytesMax) return;
    emit(tooLong ?? `${cutToBytes(line, logLineBytesMax - Buffer.byteLength(cutMark))}${cutMark}`);
    line = "";
    isCut = true;
  }

  function divide(text: string): void {
    const [first = "", ...others] = text.split("\n");
    add(first);
    for (const part of others) {
      if (!isCut) emit(line);
      line = "";
      isCut = false;
      add(part);
    }
  }

  return {
    push: (chunk) => {
      if (lineCount <= logLinesPerAttemptMax) divide(masking.push(decoder.decode(chunk, { stream: true })));
    },
    end: () => {
      divide(masking.push(decoder.decode()) + masking.end());
      if (line !== "") emit(line);
      line = "";
    },
  };
}

/** The longest beginning that is at most so many bytes of UTF-8. */
export function cutToBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  let end = Math.min(bytesMax, bytes.length);
  // Back to the first byte of a character: the others are 10xxxxxx.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
