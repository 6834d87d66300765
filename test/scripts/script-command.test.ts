import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { outlineCommand, scriptCommand } from "../../src/scripts/script-command.ts";

const call = (target: string, firstLine = "") => ({
  type: "local" as const,
  target,
  files: [{ path: target, content: Buffer.from(`${firstLine}\n`), executable: true }],
  arguments: { ip: "10.0.0.1", key: "k1", tags: ["a", "b"] },
  parameterNames: ["ip", "key", "hours", "tags"],
  secretNames: new Set(["key"]),
});

describe("the outline of a command", () => {
  let path: string;
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), "riposte-programs-"));
    for (const program of ["python3", "bash"]) await writeFile(join(path, program), "", { mode: 0o755 });
  });
  afterAll(() => rm(path, { recursive: true }));

  test.each(["a.py", "A.PY", "a.sh", "dir/a.js", "a.mjs"])(
    "of %s is what runs, but for the program's place",
    async (target) => {
      const { argv, environment } = await scriptCommand(call(target), { node: "/opt/node", path });
      const { isGuess, ...outline } = outlineCommand(call(target));
      expect(outline).toEqual({ argv: [basename(argv[0] ?? ""), ...argv.slice(1)], environment });
      expect(isGuess).toBe(false);
    },
  );

  test.each(["#!/usr/bin/perl", "#!/usr/bin/env ruby"])(
    "of a script with %s is what runs, and says that it guessed",
    async (line) => {
      const { argv } = await scriptCommand(call("run", line), { node: "/opt/node", path });
      expect(outlineCommand(call("run"))).toEqual({ argv, environment: {}, isGuess: true });
    },
  );

  test("tells a shell script by its name only", async () => {
    const { argv } = await scriptCommand(call("run", "#!/bin/sh"), { node: "/opt/node", path });
    expect(argv).toEqual(["./run", "10.0.0.1", "", '["a","b"]']);
    expect(outlineCommand(call("run")).argv).toEqual(["./run"]);
  });
});
