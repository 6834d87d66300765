import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { createLineMask, createMask, type Mask } from "../../src/secrets/mask.ts";

const secret = "s3cr/t+Pä ss&\"<w>'";

function streamed(mask: Mask, chunks: readonly string[]): string {
  const stream = mask.stream();
  return chunks.map((chunk) => stream.push(chunk)).join("") + stream.end();
}

describe("a mask", () => {
  const forms: Record<string, string> = {
    plain: secret,
    reversed: [...secret].reverse().join(""),
    hex: Buffer.from(secret).toString("hex"),
    "upper-case hex": Buffer.from(secret).toString("hex").toUpperCase(),
    base64: Buffer.from(secret).toString("base64"),
    base64url: Buffer.from(secret).toString("base64url"),
    "unpadded base64": Buffer.from(secret).toString("base64").replace(/=+$/, ""),
    "URL-encoded": encodeURIComponent(secret),
    "URL-encoded in lower case": encodeURIComponent(secret).replace(/%../g, (hex) => hex.toLowerCase()),
    "form-encoded": new URLSearchParams({ a: secret }).toString().slice(2),
    JSON: JSON.stringify(secret).slice(1, -1),
    "ASCII JSON": JSON.stringify(secret).slice(1, -1).replaceAll("ä", "\\u00e4"),
    "read as Latin-1": Buffer.from(secret).toString("latin1"),
    "Latin-1 read as UTF-8": Buffer.from(secret, "latin1").toString(),
    "UTF-8 read as ASCII": secret.replace("ä", "??"),
    "URL-encoded twice": encodeURIComponent(encodeURIComponent(secret)),
    "HTML with &#39;": "s3cr/t+Pä ss&amp;&quot;&lt;w&gt;&#39;",
    "HTML with &#x27;": "s3cr/t+Pä ss&amp;&quot;&lt;w&gt;&#x27;",
    "HTML of Go": "s3cr/t+Pä ss&amp;&#34;&lt;w&gt;&#39;",
    "HTML text": "s3cr/t+Pä ss&amp;\"&lt;w&gt;'",
    "quoted by bash": `s3cr/t+Pä ss&"<w>'\\''`,
    "quoted by dash": `s3cr/t+Pä ss&"<w>'"'"'`,
    "escaped by bash": `s3cr/t+Pä\\ ss\\&\\"\\<w\\>\\'`,
    "quoted by Python": `s3cr/t+Pä ss&"<w>\\'`,
    "base64 of PowerShell": Buffer.from(secret, "utf16le").toString("base64"),
    "JSON within JSON": JSON.stringify(JSON.stringify(secret)).slice(3, -3),
  };
  test.each(Object.entries(forms))("takes out a secret that is %s", (_name, form) => {
    expect(createMask([secret]).text(`before ${form} after`)).toBe("before *** after");
  });

  test.each([0, 1, 2, 3, 4, 5])("takes out a secret within base64 of a longer text, %i bytes in", (offset) => {
    const value = "correct-horse-battery";
    const encoded = Buffer.from(`${"u".repeat(offset)}${value}:tail`).toString("base64");
    const masked = createMask([value]).text(encoded);
    expect(masked).toContain("***");
    const left = Buffer.from(masked.split("***")[0] ?? "", "base64").toString("latin1");
    expect(left.slice(offset).length).toBeLessThan(2);
  });

  test("takes out every line of a secret of several lines, a short one only where it stands alone", () => {
    const key = "-----BEGIN KEY-----\nQUJDREVGR0hJSktM\nshort\nTU5PUFFSU1RVVldY\n-----END KEY-----\n";
    const mask = createMask([key]);
    expect(mask.text("x QUJDREVGR0hJSktM y\nshort\nTU5PUFFSU1RVVldY")).toBe("x *** y\n***\n***");
    expect(mask.json(["short", "a short text"])).toEqual(["***", "a short text"]);
    expect(mask.text(key)).toBe("***");
    expect(mask.text(key.trim())).toBe("***");
  });

  test("takes out base64 that is wrapped into lines", () => {
    const value = Array.from({ length: 40 }, (_, index) => `word${index}`).join("-");
    const wrapped = Buffer.from(value).toString("base64").replace(/.{76}/g, "$&\n");
    expect(createMask([value]).text(wrapped).replaceAll("\n", "")).toMatch(/^(\*\*\*)+$/);
  });

  test("takes out hex that is wrapped into lines", () => {
    const value = Array.from({ length: 40 }, (_, index) => `word${index}`).join("-");
    const wrapped = Buffer.from(value).toString("hex").replace(/.{60}/g, "$&\n");
    expect(createMask([value]).text(wrapped).replaceAll("\n", "")).toMatch(/^(\*\*\*)+$/);
  });

  test("leaves nothing over where secrets overlap", () => {
    expect(createMask(["abcdef", "defghi"]).text("<abcdefghi>")).toBe("<***>");
    expect(createMask(["abcd", "abcdefgh"]).text("abcdefgh")).toBe("***");
  });

  test("takes a short value out only where it is the whole text or a whole line", () => {
    const mask = createMask(["ab"]);
    expect(["ab", "cab", "x\nab\r\ny"].map((text) => mask.text(text))).toEqual(["***", "cab", "x\n***\ny"]);
    expect(mask.json({ a: "ab", b: "cab" })).toEqual({ a: "***", b: "cab" });
  });

  test("masks strings, keys and numbers of JSON at any depth and keeps the rest", () => {
    const value = JSON.parse(
      '{"a":[1,true,null,{"hunter22":"x hunter22","other hunter22":{"__proto__":{"b":"hunter22"}}}],"n":12345678}',
    );
    const masked = createMask(["hunter22", "12345678"]).json(value);
    expect(JSON.stringify(masked)).toBe(
      '{"a":[1,true,null,{"***":"x ***","other ***":{"__proto__":{"b":"***"}}}],"n":"***"}',
    );
  });

  test("keeps both of two keys that become equal", () => {
    expect(createMask(["secret-a", "secret-b"]).json({ "secret-a": 1, "secret-b": 2 })).toEqual({
      "***": 1,
      "*** (2)": 2,
    });
  });

  test("without values answers what it is given, itself", () => {
    const value: Json = { a: ["b"] };
    const mask = createMask(["", " "]);
    expect(mask.json(value)).toBe(value);
    expect(mask.stream().push("abc")).toBe("abc");
  });

  test("takes a secret of the largest size, in any form", () => {
    const value = Array.from({ length: 4000 }, (_, index) => (index * 7919).toString(36).padStart(8, "x")).join("\n");
    const mask = createMask([value]);
    expect(mask.text(value)).toBe("***");
    expect(mask.text(Buffer.from(value).toString("base64"))).toBe("***");
    expect(streamed(mask, [value.slice(0, 1000), value.slice(1000)])).toBe("***");
  });
});

describe("a mask of lines", () => {
  const mask = createLineMask(["{\n  alpha\nbeta1\r\n  xy\n}\n", "one line"]);

  test("takes out each line of a secret of several lines", () => {
    expect(["alpha", "<beta1>", " xy ", "one line."].map((line) => mask.text(line))).toEqual([
      ...["***", "<***>", "***", "***."],
    ]);
  });

  test("leaves what tells nothing", () => {
    expect(["{", "}", "xyz", "a line"].map((line) => mask.text(line))).toEqual(["{", "}", "xyz", "a line"]);
  });
});

describe("a stream of a mask", () => {
  test("masks a secret that comes character by character", () => {
    expect(streamed(createMask([secret]), [...`a ${secret} b ${secret.slice(0, 5)}`])).toBe(
      `a *** b ${secret.slice(0, 5)}`,
    );
  });

  test("gives out at once what cannot become a secret", () => {
    const stream = createMask(["hunter22"]).stream();
    expect(stream.push("a line\n")).toBe("a line\n");
    expect(stream.push("and hun")).toBe("and ");
    expect(stream.push("ts\n")).toBe("hunts\n");
  });

  test("gives what the whole text masked gives, wherever it is cut", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "c", "\n"), minLength: 4, maxLength: 9 });
    const secrets = letters.map((text) => `a${text}b`);
    fc.assert(
      fc.property(
        fc.array(secrets, { minLength: 1, maxLength: 4 }),
        fc.array(letters, { maxLength: 20 }),
        (values, parts) => {
          const mask = createMask(values);
          const chunks = parts.flatMap((part, index) =>
            index % 3 === 0 ? [part, values[index % values.length] ?? ""] : [part],
          );
          const whole = chunks.join("");
          const cut = streamed(mask, chunks);
          const single = streamed(mask, [...whole]);
          // Short lines are masked line by line.
          expect(mask.text(cut)).toBe(mask.text(whole));
          expect(single).toBe(cut);
          for (const value of values) expect(cut).not.toContain(value);
        },
      ),
      { numRuns: 500 },
    );
  });
});
