import { storableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Mask } from "../secrets/mask.ts";
import type { Attempt } from "./executor.ts";

/** Makes log lines of the bytes that a script writes. */
export interface LogLines {
  push(chunk: Uint8Array): void;
  /** Hands on what has no line end. */
  end(): void;
}

const cutMark = " … [cut]";

/**
 * Bytes of stderr to log lines, each handed on as soon as it is complete: masked before it is divided, so that neither the border of a
 * chunk nor a cut shows part of a secret. Invalid UTF-8 is replaced. Longer lines than `limits.logLineBytesMax` are cut and marked; after
 * `limits.logLinesPerAttemptMax` lines one notice says that the rest is dropped.
 */
export function createLogLines(mask: Mask, onLog: Attempt["onLog"]): LogLines {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const masking = mask.stream();
  let line = "";
  let isCut = false;
  let lineCount = 0;

  function emit(text: string): void {
    lineCount += 1;
    if (lineCount <= limits.logLinesPerAttemptMax) onLog("STDERR", storableText(mask.text(text.replace(/\r$/, ""))));
    else if (lineCount === limits.logLinesPerAttemptMax + 1) {
      onLog("SYSTEM", `The script wrote more than ${limits.logLinesPerAttemptMax} lines; the rest is dropped.`);
    }
  }

  function add(part: string): void {
    if (isCut) return;
    line += part;
    if (Buffer.byteLength(line) <= limits.logLineBytesMax) return;
    emit(`${cutToBytes(line, limits.logLineBytesMax - Buffer.byteLength(cutMark))}${cutMark}`);
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
      if (lineCount <= limits.logLinesPerAttemptMax) divide(masking.push(decoder.decode(chunk, { stream: true })));
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
