import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { runLocal, scriptCall } from "./scripts.ts";

describe("log lines of a script", () => {
  test("come while it runs", async () => {
    // The script goes on only once its first line has been seen here.
    const script = `
      setInterval(() => {}, 1000);
      process.on("SIGTERM", () => process.stderr.write("second\\r\\n\\nlast", () => process.exit()));
      console.error("first");`;
    const seen = new AbortController();
    const { lines } = await runLocal(scriptCall("a.mjs", script), {
      signal: seen.signal,
      onLog: (_stream, text) => text === "first" && seen.abort(),
    });
    expect(lines).toEqual(["STDERR first", "STDERR second", "STDERR ", "STDERR last"]);
  });

  test("are masked, also when a secret comes byte by byte, over two lines or encoded", async () => {
    const secret = "pässword-1234";
    const two = "first-line-of-it\nsecond-line-of-it";
    const script = `
      import { readFileSync, writeSync } from "node:fs";
      const { secret, two } = JSON.parse(readFileSync(0, "utf8"));
      for (const byte of Buffer.from("a " + secret + " b\\n")) { writeSync(2, Buffer.from([byte])); await new Promise((r) => setTimeout(r, 3)); }
      console.error(Buffer.from(secret).toString("base64"), encodeURIComponent(secret), [...secret].reverse().join(""));
      console.error(two);
      console.log(JSON.stringify({ [secret]: two, hex: Buffer.from(secret).toString("hex") }));
      process.exitCode = 1;`;
    const { outcome, lines } = await runLocal(scriptCall("a.mjs", script, { arguments: { secret, two } }), {
      secrets: [secret, two],
    });
    expect(lines).toEqual(["STDERR a *** b", "STDERR *** *** ***", "STDERR ***"]);
    expect(outcome).toMatchObject({ status: "FAILED", output: { "***": "***", hex: "***" } });
  });

  test.each([
    ["long", "x".repeat(1_023), 4_096],
    ["empty", "", 9_000],
  ])(
    "are read from a script no faster than there is room for them, and few at a time, where they are %s",
    async (_kind, line, count) => {
      const script = `process.stderr.write("${line}\\n".repeat(${count}));`;
      let isHeld = false;
      let early = 0;
      let together = 0;
      let most = 0;
      const logRoom = async () => {
        together = 0;
        isHeld = true;
        await new Promise((resolve) => setImmediate(resolve));
        isHeld = false;
      };
      const onLog = () => {
        together += 1;
        most = Math.max(most, together);
        if (isHeld) early += 1;
      };
      const { outcome, lines } = await runLocal(scriptCall("a.mjs", script), { onLog, logRoom });
      expect(outcome.status).toBe("SUCCEEDED");
      expect(lines).toHaveLength(count);
      expect(early).toBe(0);
      expect(most).toBeLessThanOrEqual(1_024);
    },
  );

  test("hold replacements for invalid UTF-8 and keep characters that come in parts", async () => {
    const script = `
      import { writeSync } from "node:fs";
      for (const byte of [...Buffer.from("ä€😀"), 0xff, 0x00, 0xc3, 10]) { writeSync(2, Buffer.from([byte])); await new Promise((r) => setTimeout(r, 3)); }`;
    expect((await runLocal(scriptCall("a.mjs", script))).lines).toEqual(["STDERR ä€😀\ufffd\ufffd\ufffd"]);
  });

  test("are cut where they are too long, without half a secret, and dropped where they are too many", async () => {
    const secret = "abcdefghijklmnopqrstuvwxyz";
    const script = `
      const long = "é".repeat(${limits.logLineBytesMax / 2 - 12}) + process.env.HOME.slice(0, 0) + "${secret}" + "x".repeat(100000);
      process.stderr.write(long + "\\nnext\\n");
      for (let i = 0; i < ${limits.logLinesPerAttemptMax + 500}; i++) process.stderr.write(i + "\\n");`;
    const { lines } = await runLocal(scriptCall("a.mjs", script), { secrets: [secret] });
    expect(lines[0]).toMatch(/é.* … \[cut\]$/);
    expect(lines[0]).not.toContain("abcd");
    expect(Buffer.byteLength(lines[0] ?? "")).toBeLessThanOrEqual(limits.logLineBytesMax + "STDERR ".length);
    expect(lines[1]).toBe("STDERR next");
    expect(lines).toHaveLength(limits.logLinesPerAttemptMax + 1);
    expect(lines.at(-1)).toMatch(/^SYSTEM .* dropped/);
  });
});
