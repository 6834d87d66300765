import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bounds } from "../../src/agent/bounds.ts";
import type { Json } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { isRunning } from "../executors/scripts.ts";
import { perform, resultOf, taskOf } from "./tasks.ts";

const onLinux = process.platform === "linux";
const has = (program: string): boolean =>
  ["/usr/bin", "/bin", "/usr/local/bin", "/opt/homebrew/bin"].some((path) => existsSync(`${path}/${program}`));
const sh = (script: string): string => `#!/bin/sh\n${script}\n`;

describe("an agent's task", () => {
  test.skipIf(!has("python3"))(
    "runs a Python script by the contract of local actions (skipped without python3)",
    async () => {
      const script = [
        "import json, sys",
        "params = json.load(sys.stdin)",
        "print(f\"Blocking {params['ip_address']}\", file=sys.stderr)",
        'if params.get("fail"):',
        '    json.dump({"status": "error", "error": {"code": 502, "message": "no route"}}, sys.stdout)',
        "    sys.exit(1)",
        'json.dump({"status": "success", "data": {"hours": params.get("hours", 24)}}, sys.stdout)',
      ].join("\n");
      const task = (more: Record<string, Json>) =>
        taskOf("block_ip.py", script, { parameters: { ip_address: "1.2.3.4", ...more } });
      expect(await perform(task({}))).toEqual({
        completion: { exitCode: 0, result: { status: "success", data: { hours: 24 } } },
        lines: ["STDERR Blocking 1.2.3.4"],
      });
      expect((await perform(task({ fail: true }))).completion).toEqual({
        exitCode: 1,
        error: { code: "502", message: "no route" },
        result: { status: "error", error: { code: 502, message: "no route" } },
      });
    },
  );

  test.skipIf(!has("bash"))(
    "gives a shell script its arguments, and secrets in the environment only (skipped without bash)",
    async () => {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
      const script = 'echo "$#|$1|${2:-24}|$3|$PARAM_API_KEY|$PARAM_HOURS|"';
      const task = taskOf("block.sh", script, {
        parameters: { ip_address: "a b\"$(id)`'", "api-key": "k1", options: { a: 1 } },
        parameterNames: ["ip_address", "api-key", "hours", "options"],
        secretNames: ["api-key"],
      });
      expect(await resultOf(task)).toEqual({ text: '3|a b"$(id)`\'|24|{"a":1}|k1||' });
    },
  );

  test("gives a Node script its parameters on stdin, by name as well", async () => {
    const byName = 'import { readFileSync } from "node:fs"; process.stdout.write(readFileSync("/dev/stdin", "utf8"));';
    const parameters = { text: "{{ not.again }}", number: 1.5, list: [true, null], ["__proto__"]: { a: 1 } };
    expect(await resultOf(taskOf("a.mjs", byName, { parameters }))).toEqual(parameters);
    expect(await resultOf(taskOf("a.js", "process.stdin.pipe(process.stdout);", { parameters }))).toEqual(parameters);
  });

  test("runs other scripts by their #! line, a shell with its arguments and others without", async () => {
    const given = { parameters: { first: "1", second: 2 } };
    const shell = sh('echo "[$1,$2,$PARAM_SECOND]" > /dev/stdout; echo x > /dev/stderr');
    expect(await resultOf(taskOf("bin/run", shell, given))).toEqual([1, 2, 2]);
    const node = "#!/usr/bin/env node\nconsole.log(process.argv.length, process.env.PARAM_FIRST);";
    expect(await resultOf(taskOf("run", node, given))).toEqual({ text: "2 undefined" });
  });

  test("takes files in base64, in directories and with the right to be executed", async () => {
    const helper = { path: "lib/helper", content: sh("echo 42"), encoding: "UTF8", executable: true } as const;
    const script = Buffer.from(sh("lib/helper; cat lib/helper | wc -l >&2")).toString("base64");
    const main = { path: "main", content: script, encoding: "BASE64", executable: false } as const;
    expect(await resultOf(taskOf("main", "", { files: [helper, main] }))).toBe(42);
  });

  test.each([
    ["has no such file", taskOf("a.sh", "", { entry: "gone.sh" }), "target_missing"],
    ["does not say what runs it", taskOf("run.txt", "echo"), "interpreter_missing"],
    ["leaves its package", taskOf("../a.sh", "echo"), "package_invalid"],
    ["has an argument no program can be given", taskOf("a.sh", "", { parameters: { a: "\0" } }), "invalid_argument"],
    [
      "has more arguments than fit",
      taskOf("a.sh", "", { parameters: { a: "x".repeat(3_000_000) } }),
      "arguments_too_large",
    ],
  ])("that %s is not begun", async (_name, task, code) => {
    expect(await perform(task)).toMatchObject({ completion: { error: { code } }, lines: [] });
  });

  test("gives nothing of the agent's environment, and its own directories, removed afterwards", async () => {
    process.env["OPSERVANT_TOKEN"] = "canary";
    const script =
      'import fs from "node:fs"; fs.mkdirSync("d/e", { recursive: true }); fs.chmodSync("d", 0); console.log(JSON.stringify({ env: process.env, cwd: process.cwd(), files: fs.readdirSync("..") }));';
    const result = await resultOf(taskOf("a.mjs", script));
    delete process.env["OPSERVANT_TOKEN"];
    const { env, cwd, files } = result as unknown as { env: Record<string, string>; cwd: string; files: string[] };
    const known = ["HOME", "IDEMPOTENCY_KEY", "LANG", "OPSERVANT_TASK", "PATH", "PWD", "PYTHONDONTWRITEBYTECODE"];
    known.push("PYTHONUNBUFFERED", "TMPDIR", "_", "OLDPWD", "SHLVL", "__CF_USER_TEXT_ENCODING");
    expect(Object.keys(env).filter((name) => !known.includes(name))).toEqual([]);
    expect(env).toMatchObject({ IDEMPOTENCY_KEY: "run-1/step-1" });
    expect([...files].sort()).toEqual(["package", "tmp"]);
    expect(existsSync(cwd)).toBe(false);
  });

  test.runIf(onLinux)("is what Linux ends before the agent where memory runs out (Linux)", async () => {
    expect(await resultOf(taskOf("a", sh("cat /proc/self/oom_score_adj")))).toBe(1000);
  });

  test.each<[string, string, Json]>([
    ["a document", ' {"a": 1}\n', { a: 1 }],
    ["nothing", " \n", null],
    ["text", "done\n", { text: "done" }],
    ["two documents", '{"a":1}\n{"b":2}\n', { text: '{"a":1}\n{"b":2}' }],
    ["a number that is too large", '{"a": 1e999}', { text: '{"a": 1e999}' }],
    ["a key twice", '{"a": 1, "\\u0061": 2}', { text: '{"a": 1, "\\u0061": 2}' }],
    ["nesting too deep", `${"[".repeat(100)}${"]".repeat(100)}`, { text: `${"[".repeat(100)}${"]".repeat(100)}` }],
    ["text that cannot be stored", '"\\u0000\\ud800"', "\uFFFD\uFFFD"],
  ])("reads a result that is %s", async (_name, written, result) => {
    expect(await resultOf(taskOf("a.mjs", `process.stdout.write(${JSON.stringify(written)});`))).toEqual(result);
  });

  test.each([
    ["bytes", `"x".repeat(${limits.outputBytesMax + 1})`],
    ["values", `"[" + "1,".repeat(${bounds.outputValuesMax}) + "1]"`],
  ])("that answers more %s than a result may have fails", async (_name, text) => {
    const { completion } = await perform(taskOf("a.mjs", `process.stdout.write(${text});`));
    expect(completion).toMatchObject({ error: { code: "output_too_large" } });
  });

  test("keeps an error that is too long out of the error, since a cut could leave half a secret", async () => {
    const script = `console.log(JSON.stringify({ error: { code: 7, message: "x".repeat(3000) } })); process.exitCode = 3;`;
    const { completion } = await perform(taskOf("a.js", script));
    expect(completion?.error).toEqual({ code: "7", message: "The script ended with exit code 3." });
  });

  test("tells of a script that a signal ended, without an exit code", async () => {
    const { completion } = await perform(taskOf("a", sh("kill -9 $$")));
    expect(completion).toEqual({
      result: null,
      error: { code: "exit_code", message: "The script ended by the signal SIGKILL." },
    });
  });

  test("logs every line of stderr, cut where it is too long, or left out where the task has secrets", async () => {
    const script = `process.stderr.write("one\\r\\ntwo \\xff\\n" + "é".repeat(9000) + "\\nlast");`;
    const { lines } = await perform(taskOf("a.js", script));
    expect(lines.map((line) => line.slice(0, 20))).toEqual([
      "STDERR one",
      "STDERR two ÿ",
      `STDERR ${"é".repeat(13)}`,
      "STDERR last",
    ]);
    expect(Buffer.byteLength(lines[2]!.slice("STDERR ".length))).toBeLessThanOrEqual(limits.logLineBytesMax);
    expect(lines[2]).toMatch(/ … \[cut\]$/);
    const secret = await perform(taskOf("a.js", script, { parameters: { key: "k" }, secretNames: ["key"] }));
    expect(secret.lines[2]).toMatch(/^STDERR \[a line of more than 8192 bytes is left out/);
  });

  test("drops what is more than a log may have, and says so", async () => {
    const { lines } = await perform(taskOf("a", sh("yes x | head -n 10500 >&2")));
    expect(lines).toHaveLength(limits.logLinesPerAttemptMax + 1);
    expect(lines.at(-1)).toBe("SYSTEM The script wrote more than 10000 lines; the rest is dropped.");
  });
});

/** Ignores SIGTERM, has a child that does too, and names all three processes on stderr. */
const stubborn = sh(`trap '' TERM
sh -c 'trap "" TERM; echo child $$ >&2; while :; do sleep 1; done' &
sleep 600 &
echo sleeper $! >&2
echo script $$ >&2
while :; do sleep 1; done`);

/** A grandchild that leaves the group and closes every stream, as a daemon does. */
const daemon = `#!/usr/bin/env node
const { spawn } = require("node:child_process");
const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { detached: true, stdio: "ignore" });
child.unref();
console.error("daemon " + child.pid);
`;

const pidsIn = (lines: readonly string[]): number[] => lines.map((line) => Number(line.split(" ")[2]));

describe("an agent's task that is ended", () => {
  test("at its timeout is gone with its children, though they ignore SIGTERM", async () => {
    const { completion, lines } = await perform(taskOf("run", stubborn, { timeoutSeconds: 5 }));
    expect(completion).toEqual({ error: { code: "timed_out", message: "The script was ended after 5 s." } });
    expect(pidsIn(lines)).toHaveLength(3);
    await expect.poll(() => pidsIn(lines).filter(isRunning)).toEqual([]);
  });

  test("from outside is gone with its children, and has no answer of its own", async () => {
    const ending = new AbortController();
    const heard: string[] = [];
    const onLine = (text: string) => {
      if (heard.push(text) === 3) ending.abort();
    };
    const { completion, lines } = await perform(taskOf("run", stubborn), { signal: ending.signal, onLine });
    expect(completion).toBeUndefined();
    await expect.poll(() => pidsIn(lines).filter(isRunning)).toEqual([]);
  });

  test("before it begins is not begun", async () => {
    const run = await perform(taskOf("run", sh("echo x >&2")), { signal: AbortSignal.abort() });
    expect(run).toEqual({ completion: undefined, lines: [] });
  });

  test.runIf(onLinux)("leaves no daemon behind that has left its group (Linux)", async () => {
    const { completion, lines } = await perform(taskOf("run", daemon));
    expect(completion?.exitCode).toBe(0);
    expect(pidsIn(lines)).toHaveLength(1);
    await expect.poll(() => pidsIn(lines).filter(isRunning)).toEqual([]);
  });
});
