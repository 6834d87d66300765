import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openKeyRing } from "../../src/secrets/key-ring.ts";
import { createSealer } from "../../src/secrets/seal.ts";

let directory: string;
let made = 0;
const emptyDirectory = () => path.join(directory, `${made++}`, "data");
const given = (secretsKey: string) => openKeyRing({ secretsKey, dataDirectory: "/nonexistent" });
const sealedFor = { tenantId: "t", purpose: "p" };

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "riposte-keys-"));
});
afterAll(() => rm(directory, { recursive: true }));

describe("a key ring", () => {
  test("takes a key in hex, base64 and base64url as the same key", async () => {
    const bytes = Buffer.from("fb".repeat(32), "hex");
    const texts = [bytes.toString("hex"), bytes.toString("base64"), bytes.toString("base64url")];
    const rings = await Promise.all(texts.map(given));
    expect(new Set(rings.map(({ current }) => current.id)).size).toBe(1);
    const sealed = await createSealer(rings[0]!).seal("value", sealedFor);
    for (const ring of rings) expect(await createSealer(ring).open(sealed, sealedFor)).toBe("value");
  });

  test("encrypts with its first key and decrypts with each", async () => {
    const [old, young] = [`old:${randomBytes(32).toString("base64")}`, `young:${randomBytes(32).toString("base64")}`];
    const sealed = await createSealer(await given(old)).seal("value", sealedFor);
    const ring = await given(`${young}, ${old}`);
    expect(ring.current.id).toBe("young");
    expect(await createSealer(ring).open(sealed, sealedFor)).toBe("value");
    const lost = createSealer(await given(young)).open(sealed, sealedFor);
    await expect(lost).rejects.toMatchObject({
      code: "secrets_key_missing",
      message: expect.stringContaining('"old"'),
    });
  });

  test("refuses what is no key without quoting it", async () => {
    const good = randomBytes(32).toString("base64");
    const wrong = [
      "",
      " ",
      "hunter2hunter2hunter2",
      randomBytes(31).toString("base64"),
      `bad id!:${good}`,
      `a:${good},a:${good}`,
      `${good},${good}`,
    ];
    for (const text of wrong) {
      const error = await given(text).then(
        () => undefined,
        (reason: Error) => reason,
      );
      expect(error?.message).toMatch(/^SECRETS_KEY/);
      for (const part of text.split(/[\s,:]+/).filter((item) => item.length > 3))
        expect(error?.message).not.toContain(part);
    }
  });

  test("makes a file that only its owner can read, and reads it again", async () => {
    const dataDirectory = emptyDirectory();
    const first = await openKeyRing({ secretsKey: undefined, dataDirectory });
    const again = await openKeyRing({ secretsKey: undefined, dataDirectory });
    expect(again.current.id).toBe(first.current.id);
    expect((await stat(path.join(dataDirectory, "secrets.key"))).mode & 0o777).toBe(0o600);
    expect(await readdir(dataDirectory)).toEqual(["secrets.key"]);
  });

  test("has one key when many processes make the file at once", async () => {
    const dataDirectory = emptyDirectory();
    const rings = await Promise.all(
      Array.from({ length: 20 }, () => openKeyRing({ secretsKey: undefined, dataDirectory })),
    );
    expect(new Set(rings.map(({ current }) => current.id)).size).toBe(1);
    const [first, last] = [rings[0]!, rings.at(-1)!];
    expect(await createSealer(last).open(await createSealer(first).seal("value", sealedFor), sealedFor)).toBe("value");
    expect(await readdir(dataDirectory)).toEqual(["secrets.key"]);
  });

  test("says what is wrong with a damaged file and leaves it as it is", async () => {
    const dataDirectory = emptyDirectory();
    await openKeyRing({ secretsKey: undefined, dataDirectory });
    const file = path.join(dataDirectory, "secrets.key");
    await writeFile(file, "");
    await expect(openKeyRing({ secretsKey: undefined, dataDirectory })).rejects.toThrow(`${file} holds no key`);
    expect(await readFile(file, "utf8")).toBe("");
  });
});
