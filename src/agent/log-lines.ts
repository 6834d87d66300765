import { bounds } from "./bounds.ts";
import { storableText } from "./json.ts";
import type { LogLine } from "./task.ts";

/** Makes log lines of the bytes that a script writes. */
export interface LogLines {
  push(chunk: Uint8Array): void;
  /** Hands on what has no line end. */
  end(): void;
}

const cutMark = " … [cut]";
const leftOut = `[a line of more than ${bounds.logLineBytesMax} bytes is left out: a cut could leave half a secret]`;

/**
 * Bytes of stderr to log lines, each handed on as soon as it is complete. Invalid UTF-8 is replaced. A line that is too long is cut, or, where
 * the task has secrets, left out: the server masks whole values only. After `bounds.logLinesMax` lines one notice says that the rest is dropped.
 */
export function createLogLines(hasSecrets: boolean, onLine: (line: LogLine) => void): LogLines {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let line = "";
  let isCut = false;
  let lineCount = 0;

  function emit(text: string): void {
    lineCount += 1;
    if (lineCount <= bounds.logLinesMax) onLine({ stream: "STDERR", text: storableText(text.replace(/\r$/, "")) });
    else if (lineCount === bounds.logLinesMax + 1) {
      onLine({
        stream: "SYSTEM",
        text: `The script wrote more than ${bounds.logLinesMax} lines; the rest is dropped.`,
      });
    }
  }

  function add(part: string): void {
    if (isCut) return;
    line += part;
    if (Buffer.byteLength(line) <= bounds.logLineBytesMax) return;
    const room = bounds.logLineBytesMax - Buffer.byteLength(cutMark);
    emit(hasSecrets ? leftOut : `${cutToBytes(line, room)}${cutMark}`);
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
      if (lineCount <= bounds.logLinesMax) divide(decoder.decode(chunk, { stream: true }));
    },
    end: () => {
      divide(decoder.decode());
      if (line !== "") emit(line);
      line = "";
    },
  };
}

/** The longest beginning that is at most so many bytes of UTF-8. */
function cutToBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  let end = Math.min(bytesMax, bytes.length);
  // Back to the first byte of a character: the others are 10xxxxxx.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
