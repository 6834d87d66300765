import type { KeyObject } from "node:crypto";
import { CompactEncrypt } from "jose";
import { StateFailure } from "../core/failures.ts";
import type { Json } from "../core/json.ts";
import type { KeyRing } from "./key-ring.ts";
import { openJwe } from "./open-jwe.ts";

/** What a value is sealed for. It opens for exactly this and nothing else: moved to another row it is of no use. */
export interface SealedFor {
  readonly tenantId: string;
  /** Such as `secret:edr-token` or `run:<id>`. */
  readonly purpose: string;
}

/** Encrypts what is kept at rest. */
export interface Sealer {
  /** The id of the key that `seal` uses now. */
  readonly keyId: string;
  /** How the text of everything begins that was sealed with that key. */
  readonly currentBeginning: string;
  /** @returns A compact JWE (RFC 7516): `dir`, A256GCM, the key's id and what it is for in the protected header, so authenticated. */
  seal(plaintext: string, sealedFor: SealedFor): Promise<string>;
  /**
   * @returns The plaintext. Keep it in memory only; never log, store or return it.
   * @throws StateFailure `secrets_key_missing` when this server lacks the key, `secret_unreadable` when the text was
   * changed or sealed for something else.
   */
  open(sealed: string, sealedFor: SealedFor): Promise<string>;
  /**
   * The same under the key of now, for what it was sealed for, which nobody has to know.
   * @throws StateFailure as `open` does.
   */
  reseal(sealed: string): Promise<string>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function createSealer(keyRing: KeyRing): Sealer {
  const encrypt = (plaintext: Uint8Array, { tenantId, purpose }: SealedFor) => {
    const { id, key } = keyRing.current;
    return new CompactEncrypt(plaintext)
      .setProtectedHeader({ ...headerOf(id), sub: tenantId, aud: purpose })
      .encrypt(key);
  };
  return {
    get keyId() {
      return keyRing.current.id;
    },
    get currentBeginning() {
      // As far as the base64 of a header is the same whatever follows the key's id.
      const written = `${JSON.stringify(headerOf(keyRing.current.id)).slice(0, -1)},"sub":"`;
      return Buffer.from(written.slice(0, written.length - (written.length % 3))).toString("base64url");
    },
    seal: (plaintext, sealedFor) => encrypt(encoder.encode(plaintext), sealedFor),
    async open(sealed, { tenantId, purpose }) {
      const { plaintext, header } = await decrypt(sealed, keyRing);
      if (header["sub"] !== tenantId || header["aud"] !== purpose) throw unreadable();
      return decoder.decode(plaintext);
    },
    async reseal(sealed) {
      const { plaintext, header } = await decrypt(sealed, keyRing);
      const { sub, aud } = header;
      if (typeof sub !== "string" || typeof aud !== "string") throw unreadable();
      return encrypt(plaintext, { tenantId: sub, purpose: aud });
    },
  };
}

/** RFC 7516 authenticates the protected header; `sub` and `aud`, which follow, are its registered replicas of claims (section 5.3 of RFC 7519). */
function headerOf(kid: string) {
  return { alg: "dir", enc: "A256GCM", kid };
}

async function decrypt(sealed: string, keyRing: KeyRing) {
  try {
    return await openJwe(sealed, (keyId) => keyFor(keyId, keyRing));
  } catch (error) {
    if (error instanceof StateFailure) throw error;
    throw unreadable(error);
  }
}

async function keyFor(keyId: Json | undefined, keyRing: KeyRing): Promise<KeyObject> {
  if (typeof keyId !== "string") throw missing(keyId);
  if (!keyRing.find(keyId)) await keyRing.reload();
  const found = keyRing.find(keyId);
  if (found) return found.key;
  throw missing(keyId);
}

function missing(keyId: Json | undefined): StateFailure {
  return new StateFailure(
    "secrets_key_missing",
    `This was encrypted with the key ${shownId(keyId)}, which this server lacks: add it to SECRETS_KEY.`,
  );
}

/** The header is not verified at this point, so the id may be anything. */
function shownId(keyId: Json | undefined): string {
  return typeof keyId === "string" && /^[A-Za-z0-9_.-]{1,64}$/.test(keyId) ? `"${keyId}"` : "of an unknown id";
}

function unreadable(cause?: unknown): StateFailure {
  return new StateFailure(
    "secret_unreadable",
    "A stored secret can't be read: it was changed, or belongs elsewhere. Put it anew.",
    { cause },
  );
}
