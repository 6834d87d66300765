import { access, constants } from "node:fs/promises";
import { basename, delimiter, extname, join } from "node:path";
import { type Task, type TaskFile, TaskRefused } from "./task.ts";

/** What runs a script, and what it is told besides stdin. */
export interface ScriptCommand {
  /** Program and arguments; the script's own path is relative to the package. */
  readonly argv: readonly string[];
  /** The arguments as variables of the environment, for a shell script. */
  readonly environment: Readonly<Record<string, string>>;
}

const shells = new Set(["sh", "bash", "dash", "ash", "ksh", "zsh"]);

/**
 * The command for a task's script, by the server's contract of local actions: `.py` by python3, `.sh` by bash, `.js` and `.mjs` by Node, other
 * by its `#!` line. A shell script gets the arguments that are no secrets in declared order (an omitted one is empty) and all of them as
 * `PARAM_<NAME>`.
 * @throws TaskRefused `target_missing`, `interpreter_missing` or `invalid_argument`.
 */
export async function scriptCommand(task: Task, programs: { node: string; path: string }): Promise<ScriptCommand> {
  const file = task.files.find(({ path }) => path === task.entry);
  if (!file) throw new TaskRefused("target_missing", `The package has no file ${task.entry}.`);
  switch (extname(task.entry).toLowerCase()) {
    case ".py":
      return { argv: [await findProgram("python3", programs.path), `./${task.entry}`], environment: {} };
    case ".js":
    case ".mjs":
      return { argv: [programs.node, `./${task.entry}`], environment: {} };
    case ".sh":
      return shellCommand([await findProgram("bash", programs.path), `./${task.entry}`], task);
    default:
      return commandByItself(task, file);
  }
}

function commandByItself(task: Task, file: TaskFile): ScriptCommand {
  const interpreter = interpreterIn(contentOf(file));
  if (interpreter === undefined) {
    const message = `Nothing says what runs ${task.entry}: it ends in none of .py, .sh, .js and .mjs and has no #! line.`;
    throw new TaskRefused("interpreter_missing", message);
  }
  const argv = [`./${task.entry}`];
  return shells.has(interpreter) ? shellCommand(argv, task) : { argv, environment: {} };
}

function shellCommand(argv: readonly string[], task: Task): ScriptCommand {
  const secrets = new Set(task.secretNames);
  const positional = task.parameterNames.filter((name) => !secrets.has(name));
  const names = new Set([...task.parameterNames, ...Object.keys(task.parameters)]);
  return {
    argv: [...argv, ...positional.map((name) => argumentText(task, name))],
    environment: Object.fromEntries([...names].map((name) => [variableOf(name), argumentText(task, name)])),
  };
}

function argumentText({ parameters }: Task, name: string): string {
  const value = Object.hasOwn(parameters, name) ? (parameters[name] ?? null) : null;
  const text = value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  if (text.includes("\0"))
    throw new TaskRefused("invalid_argument", `The parameter ${name} holds U+0000, which no program can be given.`);
  return text;
}

function variableOf(name: string): string {
  return `PARAM_${name.toUpperCase().replace(/[^A-Z0-9_]/g, "_")}`;
}

/** The bytes of a file. */
export function contentOf({ content, encoding }: TaskFile): Buffer {
  return Buffer.from(content, encoding === "BASE64" ? "base64" : "utf8");
}

/** The base name of the program in a `#!` line, looking through env. */
function interpreterIn(content: Buffer): string | undefined {
  const line = content.subarray(0, 256).toString("latin1").split("\n")[0] ?? "";
  if (!line.startsWith("#!")) return undefined;
  const words = line.slice(2).trim().split(/\s+/);
  const [program = "", ...others] = words.map((word) => basename(word));
  const found = program === "env" ? others.find((word) => !word.startsWith("-") && !word.includes("=")) : program;
  return found || undefined;
}

async function findProgram(name: string, path: string): Promise<string> {
  for (const directory of path.split(delimiter)) {
    const program = join(directory, name);
    const isFound = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isFound) return program;
  }
  throw new TaskRefused("interpreter_missing", `${name} is not installed on the machine of this agent.`);
}
