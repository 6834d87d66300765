import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { hostIsolation, outputOf, runLocal, scriptCall } from "./scripts.ts";

const has = (program: string): boolean =>
  ["/usr/bin", "/bin", "/usr/local/bin", "/opt/homebrew/bin"].some((path) => existsSync(`${path}/${program}`));
const { gaps } = await hostIsolation();
/** For scripts that open their streams by name, which takes a /proc: some containers grant isolated ones none. */
const byName = gaps.some((gap) => gap.includes("/proc")) ? ({ production: "off" } as const) : {};
const sh = (script: string): string => `#!/bin/sh\n${script}\n`;

describe("the local executor", () => {
  test.skipIf(!has("python3"))(
    "runs a Python script by the source documents' contract (skipped without python3)",
    async () => {
      const script = [
        "import json, sys",
        "params = json.load(sys.stdin)",
        "print(f\"Blocking {params['ip_address']}\", file=sys.stderr)",
        "try:",
        '    raise RuntimeError("no route")',
        "except RuntimeError as exc:",
        '    if params.get("fail"):',
        '        json.dump({"status": "error", "error": {"code": 502, "message": str(exc)}}, sys.stdout)',
        "        sys.exit(1)",
        'json.dump({"status": "success", "data": {"hours": params.get("hours", 24)}}, sys.stdout)',
      ].join("\n");
      const call = (args: Record<string, Json>) =>
        scriptCall("block_ip.py", script, { arguments: { ip_address: "1.2.3.4", ...args } });
      const good = await runLocal(call({}));
      expect(good).toMatchObject({
        outcome: { status: "SUCCEEDED", output: { status: "success", data: { hours: 24 } } },
        lines: ["STDERR Blocking 1.2.3.4"],
      });
      expect((await runLocal(call({ fail: true }))).outcome).toEqual({
        status: "FAILED",
        error: { code: "502", message: "no route" },
        output: { status: "error", error: { code: 502, message: "no route" } },
      });
    },
  );

  test.skipIf(!has("bash"))(
    "runs a shell script by the source documents' contract (skipped without bash)",
    async () => {
      const script = [
        "#!/usr/bin/env bash",
        "set -euo pipefail",
        'IP_ADDRESS="$1"',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
        'DURATION="${2:-24}"',
        'echo "$#|$IP_ADDRESS|$DURATION|$3|$PARAM_API_KEY|$PARAM_HOURS|"',
      ].join("\n");
      const call = scriptCall("block.sh", script, {
        arguments: { ip_address: "a b\"$(id)`'", "api-key": "k1", options: { a: 1 } },
        parameterNames: ["ip_address", "api-key", "hours", "options"],
        secretNames: new Set(["api-key"]),
      });
      expect(await outputOf(call)).toEqual({ text: '3|a b"$(id)`\'|24|{"a":1}|k1||' });
    },
  );

  test("gives a Node script its parameters on stdin, by name as well", async () => {
    const script =
      'import { readFileSync } from "node:fs"; const p = JSON.parse(readFileSync("/dev/stdin", "utf8")); console.log(JSON.stringify(p));';
    const values = { text: "{{ not.again }}", number: 1.5, list: [true, null], ["__proto__"]: { a: 1 } };
    expect(await outputOf(scriptCall("a.mjs", script, { arguments: values }), byName)).toEqual(values);
    expect(
      await outputOf(
        scriptCall("a.js", 'process.stdin.on("data", (d) => process.stdout.write(d));', { arguments: values }),
      ),
    ).toEqual(values);
  });

  test("runs other scripts by their #! line, a shell with its arguments and others without", async () => {
    const values = { arguments: { first: "1", second: 2 } };
    expect(
      await outputOf(
        scriptCall("bin/run", sh('echo "[$1,$2,$PARAM_SECOND]" > /dev/stdout; echo x > /dev/stderr'), values),
        byName,
      ),
    ).toEqual([1, 2, 2]);
    const node = `#!/usr/bin/env node\nconsole.log(process.argv.length, process.env.PARAM_FIRST);`;
    expect(await outputOf(scriptCall("run", node, values))).toEqual({ text: "2 undefined" });
    expect((await runLocal(scriptCall("run.txt", "echo"))).outcome).toMatchObject({
      error: { code: "interpreter_missing" },
    });
    expect((await runLocal(scriptCall("run.sh", "echo", { target: "gone.sh" }))).outcome).toMatchObject({
      error: { code: "target_missing" },
    });
  });

  test("gives nothing of the server's environment, and its own directories, removed afterwards", async () => {
    process.env["RIPOSTE_TEST_SECRET"] = "canary";
    const script =
      'import fs from "node:fs"; fs.mkdirSync("d/e", { recursive: true }); fs.writeFileSync("d/e/f", "x"); fs.chmodSync("d", 0); console.log(JSON.stringify({ env: process.env, cwd: process.cwd(), mode: fs.statSync("..").mode & 0o777, files: fs.readdirSync("..") }));';
    const { outcome, workDirectory } = await runLocal(scriptCall("a.mjs", script));
    delete process.env["RIPOSTE_TEST_SECRET"];
    expect(outcome.status).toBe("SUCCEEDED");
    const { env, cwd, mode, files } = (
      outcome as unknown as { output: { env: Record<string, string>; cwd: string; mode: number; files: string[] } }
    ).output;
    const known = [
      "HOME",
      "IDEMPOTENCY_KEY",
      "LANG",
      "PATH",
      "PWD",
      "PYTHONDONTWRITEBYTECODE",
      "PYTHONUNBUFFERED",
      "RIPOSTE_ATTEMPT",
      "TMPDIR",
      "_",
      "OLDPWD",
      "SHLVL",
      "__CF_USER_TEXT_ENCODING",
    ];
    expect(Object.keys(env).filter((name) => !known.includes(name))).toEqual([]);
    expect(env).toMatchObject({ IDEMPOTENCY_KEY: "run-1/step-1" });
    expect([mode, [...files].sort()]).toEqual([0o700, ["package", "tmp"]]);
    const isIsolated = (await hostIsolation()).kind !== "none";
    expect(cwd.startsWith(isIsolated ? "/attempt/" : workDirectory)).toBe(true);
    expect(existsSync(cwd)).toBe(false);
  });

  test.each<[string, string, Json]>([
    ["a document", ' {"a": 1}\n', { a: 1 }],
    ["nothing", " \n", null],
    ["text", "done\n", { text: "done" }],
    ["two documents", '{"a":1}\n{"b":2}\n', { text: '{"a":1}\n{"b":2}' }],
    ["NaN", '{"a": NaN}', { text: '{"a": NaN}' }],
    ["a number that is too large", '{"a": 1e999}', { text: '{"a": 1e999}' }],
    ["a key twice", '{"a": 1, "\\u0061": 2}', { text: '{"a": 1, "\\u0061": 2}' }],
    ["a key twice at different places", '[{"a":{"a":"a"}},{"a":1}]', [{ a: { a: "a" } }, { a: 1 }]],
    ["nesting too deep", `${"[".repeat(100)}${"]".repeat(100)}`, { text: `${"[".repeat(100)}${"]".repeat(100)}` }],
  ])("reads a result from stdout that is %s", async (_name, written, output) => {
    const call = scriptCall("a.mjs", `process.stdout.write(${JSON.stringify(written)});`);
    expect(await outputOf(call)).toEqual(output);
  });

  test("keeps a key __proto__ as data and replaces what no text can hold", async () => {
    const script =
      'process.stdout.write(Buffer.from([...Buffer.from(\'{"__proto__":{"polluted":true},"a":"\'), 0xff, ...Buffer.from(\'\\\\u0000\\\\ud800"}\')]));';
    const output = await outputOf(scriptCall("a.mjs", script));
    expect(Object.hasOwn(output as object, "__proto__")).toBe(true);
    expect(Object.getPrototypeOf(output)).toBe(Object.prototype);
    expect(JSON.stringify(output)).toBe('{"__proto__":{"polluted":true},"a":"\ufffd\ufffd\ufffd"}');
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("stops a script that writes more than a result may have", async () => {
    const script = sh(
      "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done",
    );
    expect((await runLocal(scriptCall("flood", script))).outcome).toMatchObject({
      status: "FAILED",
      error: { code: "output_too_large" },
    });
  });

  test("fails by the exit code or signal, with the output kept, and not by an error on a good exit", async () => {
    expect((await runLocal(scriptCall("a", sh("echo '[1]'; exit 3")))).outcome).toEqual({
      status: "FAILED",
      error: { code: "exit_code", message: "The script ended with exit code 3." },
      output: [1],
    });
    expect((await runLocal(scriptCall("a", sh("kill -s SEGV $$")))).outcome).toMatchObject({
      status: "FAILED",
      error: { code: "exit_code", message: "The script ended by the signal SIGSEGV." },
      output: null,
    });
    expect(await outputOf(scriptCall("a", sh(`echo '{"error":{"code":1}}'`)))).toEqual({ error: { code: 1 } });
  });

  test("does not mind a script that leaves its parameters unread", async () => {
    const large = { arguments: { large: "x".repeat(500_000) } };
    expect(await outputOf(scriptCall("a.mjs", "process.stdin.destroy(); console.log(1)", large))).toBe(1);
    expect(await outputOf(scriptCall("a.mjs", "console.log(1)", large))).toBe(1);
  });

  test("says so when arguments are larger than a shell can be given", async () => {
    const call = scriptCall("a", sh("echo"), { arguments: { large: "x".repeat(4_000_000) } });
    expect((await runLocal(call)).outcome).toMatchObject({ status: "FAILED", error: { code: "arguments_too_large" } });
  });

  test("refuses a package that would leave its directory, and writes nothing", async () => {
    const file = (path: string) => ({ path, content: Buffer.from("x"), executable: false });
    for (const path of ["../x", "/tmp/x", "a/../../x", "a//b", "", ".", "a\\b", "a\0b"]) {
      const call = scriptCall("a.mjs", "", { files: [file("a.mjs"), file(path)] });
      expect((await runLocal(call)).outcome).toMatchObject({ status: "FAILED", error: { code: "package_invalid" } });
    }
    for (const paths of [
      ["a", "a"],
      ["a", "a/b"],
      ["a/b", "a"],
    ]) {
      const call = scriptCall("a.mjs", "", { files: [file("a.mjs"), ...paths.map(file)] });
      expect((await runLocal(call)).outcome).toMatchObject({ status: "FAILED", error: { code: "package_invalid" } });
    }
  });

  test("refuses an argument that no program can be given", async () => {
    const call = scriptCall("a", sh("echo"), { arguments: { a: "x\0y" } });
    expect((await runLocal(call)).outcome).toMatchObject({ status: "FAILED", error: { code: "invalid_argument" } });
  });

  test("runs many at once, each with its own package and parameters", async () => {
    const script =
      'import { readFileSync } from "node:fs"; console.error("line"); console.log(JSON.parse(readFileSync(0, "utf8")).n);';
    const numbers = Array.from({ length: 12 }, (_, index) => index);
    const outputs = await Promise.all(numbers.map((n) => outputOf(scriptCall("a.mjs", script, { arguments: { n } }))));
    expect(outputs).toEqual(numbers);
  });

  test("leaves no core dump, which would hold the secrets", async () => {
    expect(await outputOf(scriptCall("a", sh("ulimit -c")))).toBe(0);
  });
});
