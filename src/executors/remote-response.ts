import type { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import { AttemptRefused } from "../core/attempt-refused.ts";
import { limits } from "../core/limits.ts";

/** The parts of a response that are read. */
export interface RawResponse {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
}

const decoders: Readonly<Record<string, () => NodeJS.ReadWriteStream>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/**
 * The body as text, decompressed, at most `limits.responseBytesMax` bytes of it before and after.
 * @throws AttemptRefused `response_too_large` (also for what grows more than `limits.responseRatioMax` times), `unsupported_encoding`
 *   or `invalid_response`.
 */
export async function readBody({ headers, body }: RawResponse): Promise<string> {
  // Whoever reads is told; without a listener an abort that nobody reads any more would end the process.
  body.on("error", () => {});
  const encodings = String(headers["content-encoding"] ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && name !== "identity");
  const [encoding] = encodings;
  const decoder = encoding === undefined ? undefined : decoders[encoding];
  if (encodings.length > 1 || (encoding !== undefined && !decoder)) {
    body.destroy();
    throw new AttemptRefused(
      "unsupported_encoding",
      "The server sent its answer in an encoding that was not asked for.",
    );
  }
  const bytes = decoder ? await decompress(body, decoder()) : await collect(body);
  return decodeText(bytes, String(headers["content-type"] ?? ""));
}

async function collect(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limits.responseBytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** By hand and not by a pipeline, so that the ratio is checked chunk by chunk and both ends are closed by whatever goes wrong. */
async function decompress(body: Readable, decoder: NodeJS.ReadWriteStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let compressed = 0;
  let size = 0;
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => {
      body.destroy();
      if ("destroy" in decoder && typeof decoder.destroy === "function") decoder.destroy();
      reject(error);
    };
    body.on("error", fail);
    body.on("data", (chunk: Buffer) => {
      compressed += chunk.length;
      if (compressed > limits.responseBytesMax) fail(tooLarge());
    });
    decoder.on("data", (chunk: Buffer) => {
      size += chunk.length;
      const isBomb = size > limits.responseRatioBytesMin && size > compressed * limits.responseRatioMax;
      if (isBomb || size > limits.responseBytesMax) fail(tooLarge());
      else chunks.push(chunk);
    });
    decoder.on("error", () =>
      fail(new AttemptRefused("invalid_response", "The server's answer cannot be decompressed.")),
    );
    decoder.on("end", resolve);
    body.pipe(decoder);
  });
  return Buffer.concat(chunks);
}

function tooLarge(): AttemptRefused {
  const mebibytes = limits.responseBytesMax / 1024 / 1024;
  return new AttemptRefused(
    "response_too_large",
    `The server's answer is larger than ${mebibytes} MiB, or grows far too much when decompressed.`,
  );
}

function decodeText(bytes: Buffer, contentType: string): string {
  const charset = /charset="?([\w-]+)/i.exec(contentType)?.[1] ?? "utf-8";
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return new TextDecoder().decode(bytes);
  }
}
