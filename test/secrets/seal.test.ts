import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { CompactEncrypt, compactDecrypt } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { openKeyRing } from "../../src/secrets/key-ring.ts";
import { createSealer, type Sealer } from "../../src/secrets/seal.ts";

const newSealer = async () =>
  createSealer(
    await openKeyRing({ secretsKey: `k1:${randomBytes(32).toString("base64")}`, dataDirectory: "/nonexistent" }),
  );
let sealer: Sealer;
const mine = { tenantId: "tenant-a", purpose: "secret:edr-token" };

beforeAll(async () => {
  sealer = await newSealer();
});

describe("a sealed value", () => {
  test("opens to exactly what was sealed, whatever the text", async () => {
    const texts = fc.string({ unit: "binary" });
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        expect(await sealer.open(await sealer.seal(text, mine), mine)).toBe(text);
      }),
    );
    const odd = "\ufeff\u0000\r\n ünï\u{1f511}";
    expect(await sealer.open(await sealer.seal(odd, mine), mine)).toBe(odd);
  });

  test("is a compact JWE that names its key and algorithm, and is never the same twice", async () => {
    const [one, two] = [await sealer.seal("value", mine), await sealer.seal("value", mine)];
    const header: unknown = JSON.parse(Buffer.from(one.split(".")[0] ?? "", "base64url").toString());
    expect(header).toMatchObject({ alg: "dir", enc: "A256GCM", kid: "k1" });
    expect(one.split(".")).toHaveLength(5);
    expect(one).not.toBe(two);
  });

  test("opens for no other tenant and no other name", async () => {
    const sealed = await sealer.seal("value", mine);
    for (const other of [
      { ...mine, tenantId: "tenant-b" },
      { ...mine, purpose: "secret:other" },
    ]) {
      await expect(sealer.open(sealed, other)).rejects.toMatchObject({ code: "secret_unreadable" });
    }
  });

  test("does not open once any part of it was changed", async () => {
    const parts = (await sealer.seal("a value of some length", mine)).split(".");
    for (const index of [0, 2, 3, 4]) {
      const part = parts[index] ?? "";
      const changed = parts.with(index, `${part[0] === "A" ? "B" : "A"}${part.slice(1)}`).join(".");
      await expect(sealer.open(changed, mine)).rejects.toMatchObject({ code: "secret_unreadable" });
    }
    const other = JSON.stringify({ alg: "dir", enc: "A256GCM", kid: "k1", sub: "tenant-b", aud: mine.purpose });
    const moved = parts.with(0, Buffer.from(other).toString("base64url")).join(".");
    await expect(sealer.open(moved, { ...mine, tenantId: "tenant-b" })).rejects.toMatchObject({
      code: "secret_unreadable",
    });
  });

  test("does not open with less of its tag, or spelled in another way", async () => {
    const parts = (await sealer.seal("a value of some length", mine)).split(".");
    const [nonce = "", tag = ""] = [parts[2], parts[4]];
    // 22 letters hold 132 bits, of which 128 are the tag's.
    const last = tag.at(-1) ?? "";
    const sameBits = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"].find(
      (letter) =>
        letter !== last && Buffer.from(tag.slice(0, -1) + letter, "base64url").equals(Buffer.from(tag, "base64url")),
    );
    for (const changed of [
      parts.with(4, Buffer.from(tag, "base64url").subarray(0, 4).toString("base64url")),
      parts.with(4, ""),
      parts.with(2, Buffer.from(nonce, "base64url").subarray(0, 8).toString("base64url")),
      parts.with(4, tag.slice(0, -1) + sameBits),
      parts.with(3, `${parts[3]}\n`),
      parts.with(1, "AAAA"),
      [...parts, ""],
      parts.slice(0, 4),
    ]) {
      await expect(sealer.open(changed.join("."), mine)).rejects.toMatchObject({ code: "secret_unreadable" });
    }
    expect(await sealer.open(parts.join("."), mine)).toBe("a value of some length");
  });

  test("is what others make and open by the standard", async () => {
    const bytes = randomBytes(32);
    const ring = await openKeyRing({ secretsKey: `k1:${bytes.toString("base64")}`, dataDirectory: "/nonexistent" });
    const header = { alg: "dir", enc: "A256GCM", kid: "k1", sub: mine.tenantId, aud: mine.purpose };
    const theirs = await new CompactEncrypt(Buffer.from("wörld")).setProtectedHeader(header).encrypt(bytes);
    expect(await createSealer(ring).open(theirs, mine)).toBe("wörld");
    const { plaintext } = await compactDecrypt(await createSealer(ring).seal("wörld", mine), bytes);
    expect(Buffer.from(plaintext).toString()).toBe("wörld");
  });

  test("opens under no other key of the same name, and never by an algorithm that its header chose", async () => {
    await expect((await newSealer()).open(await sealer.seal("value", mine), mine)).rejects.toMatchObject({
      code: "secret_unreadable",
    });
    for (const header of [
      { alg: "none" },
      { alg: "dir", enc: "A128GCM", kid: "k1" },
      { alg: "dir", enc: "A256GCM", kid: "k1", zip: "DEF" },
      { alg: "dir", enc: "A256GCM", kid: "k1", crit: ["x"], x: 1 },
      { alg: "dir", enc: "A256GCM", kid: 1 },
      { alg: "dir", enc: "A256GCM" },
      null,
      { alg: "PBES2-HS256+A128KW", enc: "A256GCM", kid: "k1", p2c: 1e9, p2s: "AAAA" },
    ]) {
      const text = `${Buffer.from(JSON.stringify(header)).toString("base64url")}.AAAA.AAAA.AAAA.AAAA`;
      await expect(sealer.open(text, mine)).rejects.toMatchObject({ code: "secret_unreadable" });
    }
    await expect(sealer.open("no jwe", mine)).rejects.toMatchObject({ code: "secret_unreadable" });
  });
});
