import { access, constants } from "node:fs/promises";
import { basename, delimiter, extname, join } from "node:path";
import { AttemptRefused } from "../core/attempt-refused.ts";
import type { Json } from "../core/json.ts";
import type { ScriptCall } from "./script-call.ts";

/** What runs a script, and what it is told besides stdin. */
export interface ScriptCommand {
  /** Program and arguments; the script's own path is relative to the package. */
  readonly argv: readonly string[];
  /** The arguments as variables of the environment, for a shell script. */
  readonly environment: Readonly<Record<string, string>>;
}

/** PATH of the scripts where nothing else is said. */
export const usualPath = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
  "/opt/homebrew/bin",
].join(delimiter);

const shells = new Set(["sh", "bash", "dash", "ash", "ksh", "zsh"]);

/** The call without the files of its package. */
type ScriptWords = Omit<ScriptCall, "files">;

/** By what scripts run. */
export interface Programs {
  /** The Node that runs `.js` and `.mjs`. */
  readonly node: string;
  /** PATH of the scripts. */
  readonly path: string;
}

/**
 * The command for a call's target: `.py` by python3, `.sh` by bash, `.js` and `.mjs` by Node, other by its `#!` line. A shell script gets
 * the arguments that are no secrets in declared order (an omitted one is empty) and all of them as `PARAM_<NAME>`.
 * @throws AttemptRefused `target_missing`, `interpreter_missing` or `invalid_argument`.
 */
export async function scriptCommand(call: ScriptCall, programs: Programs): Promise<ScriptCommand> {
  const file = call.files.find(({ path }) => path === call.target);
  if (!file) throw new AttemptRefused("target_missing", `The package has no file ${call.target}.`);
  const program = programFor(call.target);
  if (program !== undefined) {
    const found = program === "node" ? programs.node : await findProgram(program, programs.path);
    return commandBy([found], program, call);
  }
  const interpreter = interpreterIn(file.content);
  if (interpreter === undefined) {
    const message = `Nothing says what runs ${call.target}: it ends in none of .py, .sh, .js and .mjs and has no #! line.`;
    throw new AttemptRefused("interpreter_missing", message);
  }
  return commandBy([], interpreter, call);
}

/**
 * The same command as it can be told from the call alone: with the program's name instead of its place, and for a target that names its
 * program in its `#!` line, without knowing whether that is a shell.
 * @throws AttemptRefused `invalid_argument`.
 */
export function outlineCommand(call: ScriptWords): ScriptCommand & { readonly isGuess: boolean } {
  const program = programFor(call.target);
  const command = commandBy(program === undefined ? [] : [program], program, call);
  return { ...command, isGuess: program === undefined };
}

/** By what a target's name says that it is run; undefined where its `#!` line does. */
function programFor(target: string): "python3" | "node" | "bash" | undefined {
  switch (extname(target).toLowerCase()) {
    case ".py":
      return "python3";
    case ".js":
    case ".mjs":
      return "node";
    case ".sh":
      return "bash";
    default:
      return undefined;
  }
}

function commandBy(words: readonly string[], program: string | undefined, call: ScriptWords): ScriptCommand {
  const argv = [...words, `./${call.target}`];
  return program !== undefined && shells.has(program) ? shellCommand(argv, call) : { argv, environment: {} };
}

/** A command as one line that a shell would read as the same words. */
export function commandLine(argv: readonly string[]): string {
  return argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

function shellCommand(argv: readonly string[], call: ScriptWords): ScriptCommand {
  const positional = call.parameterNames.filter((name) => !call.secretNames.has(name));
  const names = new Set([...call.parameterNames, ...Object.keys(call.arguments)]);
  return {
    argv: [...argv, ...positional.map((name) => argumentText(call, name))],
    environment: Object.fromEntries([...names].map((name) => [variableOf(name), argumentText(call, name)])),
  };
}

function argumentText(call: ScriptWords, name: string): string {
  const value: Json = Object.hasOwn(call.arguments, name) ? (call.arguments[name] ?? null) : null;
  const text = value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  if (text.includes("\0"))
    throw new AttemptRefused("invalid_argument", `The parameter ${name} holds U+0000, which no program can be given.`);
  return text;
}

/** The variable of the environment in which a shell script finds a parameter. */
export function variableOf(name: string): string {
  return `PARAM_${name.toUpperCase().replace(/[^A-Z0-9_]/g, "_")}`;
}

/** The base name of the program in a `#!` line, looking through env. */
function interpreterIn(content: Uint8Array): string | undefined {
  const line = Buffer.from(content.subarray(0, 256)).toString("latin1").split("\n")[0] ?? "";
  if (!line.startsWith("#!")) return undefined;
  const words = line.slice(2).trim().split(/\s+/);
  const [program = "", ...others] = words.map((word) => basename(word));
  const found = program === "env" ? others.find((word) => !word.startsWith("-") && !word.includes("=")) : program;
  return found || undefined;
}

/** Where a program is, by a PATH. @throws AttemptRefused `interpreter_missing`. */
export async function findProgram(name: string, path: string): Promise<string> {
  for (const directory of path.split(delimiter)) {
    const program = join(directory, name);
    const isFound = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isFound) return program;
  }
  throw new AttemptRefused("interpreter_missing", `${name} is not installed on the machine that runs this action.`);
}
