import { createDecipheriv, type KeyObject } from "node:crypto";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";

/** What a JWE held. */
export interface OpenedJwe {
  /** The protected header; it is authentic. */
  readonly header: JsonObject;
  readonly plaintext: Uint8Array;
}

/**
 * Opens a compact JWE (RFC 7516, section 7.1) of the one kind that is sealed here: `dir` with A256GCM and an empty encrypted key (RFC 7518, sections
 * 4.5 and 5.3), whatever its header would rather have. At once, on this thread: a secret is opened before every call, and jose, which makes them,
 * takes 15 times as long and a turn in a thread of its own (decision 21).
 * @param keyFor The key of the id that the header names, which is not verified at this point.
 * @throws Error for a text of another kind, or one that was changed; what `keyFor` throws.
 */
export async function openJwe(
  text: string,
  keyFor: (keyId: Json | undefined) => KeyObject | Promise<KeyObject>,
): Promise<OpenedJwe> {
  const parts = text.split(".");
  const [encodedHeader = "", encryptedKey, ...sealed] = parts;
  if (parts.length !== 5 || encryptedKey !== "") throw new Error("This is no compact JWE with a key agreed upon.");
  const header = JSON.parse(decoded(encodedHeader).toString()) as Json;
  if (
    !isJsonObject(header) ||
    header["alg"] !== "dir" ||
    header["enc"] !== "A256GCM" ||
    "crit" in header ||
    "zip" in header
  )
    throw new Error("The JWE is of another kind than is sealed here.");
  const [iv, ciphertext, tag] = sealed.map(decoded) as [Buffer, Buffer, Buffer];
  if (iv.length !== 12 || tag.length !== 16) throw new Error("The JWE's nonce or tag has another length.");
  const decipher = createDecipheriv("aes-256-gcm", await keyFor(header["kid"]), iv, { authTagLength: tag.length });
  decipher.setAAD(Buffer.from(encodedHeader, "ascii")).setAuthTag(tag);
  return { header, plaintext: Buffer.concat([decipher.update(ciphertext), decipher.final()]) };
}

/** Of exactly one text: Node passes over what is not base64url. */
function decoded(part: string): Buffer {
  const bytes = Buffer.from(part, "base64url");
  if (bytes.toString("base64url") !== part) throw new Error("A part of the JWE is not base64url.");
  return bytes;
}
