import type { Readable } from "node:stream";
import { storableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { createLineMask, type Mask } from "../secrets/mask.ts";

/** Takes what a plugin prints to our log: line by line, bounded, and without the secrets that it was handed. */
export class PluginOutput {
  readonly #plugin: string;
  readonly #log: Log;
  /** The latest last. */
  readonly #secrets = new Set<string>();
  #mask: Mask | undefined;
  #windowSince = 0;
  #lines = 0;

  constructor(plugin: string, log: Log) {
    this.#plugin = plugin;
    this.#log = log;
  }

  /** Keeps secrets out of all that is printed from now on. */
  hide(secrets: readonly string[]): void {
    for (const secret of secrets) {
      if (this.#secrets.delete(secret) === false) this.#mask = undefined;
      this.#secrets.add(secret);
      for (const oldest of this.#secrets) {
        if (this.#secrets.size <= limits.pluginSecretsMax) break;
        this.#secrets.delete(oldest);
      }
    }
  }

  /** Reads a stream to its end. */
  read(stream: Readable, name: "stdout" | "stderr"): void {
    let line = "";
    let isCut = false;
    const end = () => {
      if (line !== "") this.#write({ line, isCut }, name);
      line = "";
      isCut = false;
    };
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      const [first = "", ...others] = chunk.split("\n");
      // What is beyond the largest secret's length is not kept: the line shows its beginning only.
      const add = (part: string) => {
        if (isCut) return;
        line += part.slice(0, limits.secretBytesMax - line.length);
        isCut = line.length >= limits.secretBytesMax;
      };
      add(first);
      for (const part of others) {
        end();
        add(part);
      }
    });
    stream.on("end", end);
  }

  #write({ line, isCut }: { readonly line: string; readonly isCut: boolean }, stream: string): void {
    const now = performance.now();
    const plugin = this.#plugin;
    if (this.#windowSince === 0 || now - this.#windowSince >= limits.pluginLogMs) {
      const dropped = this.#lines - limits.pluginLogLinesMax;
      if (dropped > 0) this.#log.warn({ plugin, dropped }, "plugin.output_dropped");
      this.#windowSince = now;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines > limits.pluginLogLinesMax) return;
    this.#mask ??= createLineMask([...this.#secrets]);
    const masking = this.#mask.stream();
    // Of a line that was cut, the end may be half a secret.
    const masked = masking.push(line.replace(/\r$/, "")) + (isCut ? "" : masking.end());
    const text = storableText(this.#mask.text(masked));
    const shown = text.length > limits.logLineBytesMax ? `${text.slice(0, limits.logLineBytesMax)} … [cut]` : text;
    this.#log.info({ plugin, stream, line: shown }, "plugin.output");
  }
}
