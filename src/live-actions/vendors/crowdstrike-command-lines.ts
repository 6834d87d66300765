/**
 * Command lines of Real Time Response. Their grammar is published nowhere; what is used here is what CrowdStrike's own tools send (PSFalcon,
 * Falcon-Toolkit, 2026-11): an argument stands in single or double quotes, a script or its arguments between three backticks, and within
 * them nothing is escaped. So what would end them can't be said at all: such texts are refused, not changed.
 */

/** Control characters, line separators and halves of surrogate pairs. Not the invisible ones that malware hides its name with. */
const unsayable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Whether a text can be one argument: not with both kinds of quotes, and not with a last backslash, which could escape the quote. */
export function isQuotable(text: string): boolean {
  if (text === "" || unsayable.test(text) || text.includes("`") || text.endsWith("\\")) return false;
  return !(text.includes("'") && text.includes('"'));
}

/** The text as one argument. @throws RangeError where {@link isQuotable} says no. */
export function quoteArgument(text: string): string {
  if (!isQuotable(text)) throw new RangeError("The text can't be an argument of Real Time Response.");
  return text.includes("'") ? `"${text}"` : `'${text}'`;
}

/** What is wrong with a file to take away: it has to be one, named in full, whatever directory a session begins in. */
export function pathProblem(path: string): string | undefined {
  if (!/^([A-Za-z]:[\\/]|\\\\[^\\/.?][^\\/]*\\|\/)./su.test(path)) {
    return "is no full path. Give one like C:\\Users\\x\\evil.exe or /tmp/evil";
  }
  if (/[*?]/.test(path)) return "has a star or a question mark, which would name more than one file";
  return isQuotable(path)
    ? undefined
    : "has characters that Real Time Response can't be told: both kinds of quotes, backticks, control characters or a last backslash";
}

/** Whether a text can stand between three backticks. */
export function isFenceable(text: string): boolean {
  return (
    text !== "" && !text.includes("```") && !text.startsWith("`") && !text.endsWith("`") && !/[\0\p{Cs}]/u.test(text)
  );
}

/** What is run: a script that is in the Falcon cloud already, or one that is sent along. */
export type Script = { readonly name: string } | { readonly content: string };

/** `runscript …` as it is sent. @throws RangeError for what is not quotable or fenceable. */
export function scriptCommandLine(script: Script, argumentLine: string, timeoutSeconds: number): string {
  const source = "name" in script ? `-CloudFile=${quoteArgument(script.name)}` : `-Raw=${fence(script.content)}`;
  const args = argumentLine === "" ? "" : ` -CommandLine=${fence(argumentLine)}`;
  return `runscript ${source}${args} -Timeout=${timeoutSeconds}`;
}

function fence(text: string): string {
  if (!isFenceable(text)) throw new RangeError("The text can't stand between the backticks of Real Time Response.");
  return `\`\`\`${text}\`\`\``;
}

/** A word that means itself to PowerShell, sh and zsh. A backslash does so to PowerShell only. */
const plainWord = /^[A-Za-z0-9_.:/=+-]+$/;
const plainWindowsWord = /^[A-Za-z0-9_.:/=+\\-]+$/;

/** Whether a text is nothing but plain words: it may be handed on as it is. */
export function isPlainLine(text: string): boolean {
  return text.split(" ").every((word) => word === "" || plainWindowsWord.test(word));
}

/** Whether a text can be one argument of a script, quoted where it needs to be. */
export function isScriptArgument(text: string): boolean {
  return !unsayable.test(text) && !text.includes("`");
}

/**
 * Arguments as the line of words that the script's own interpreter reads: PowerShell on Windows, a POSIX shell elsewhere.
 * @returns Undefined where the platform is not known and one of them would have to be quoted.
 */
export function argumentLine(args: readonly string[], platform: string): string | undefined {
  if (args.every((text) => plainWord.test(text))) return args.join(" ");
  if (platform === "Windows") return args.map(forPowerShell).join(" ");
  return platform === "Mac" || platform === "Linux" ? args.map(forShell).join(" ") : undefined;
}

/** PowerShell takes typographic quotes for quotes too; each is written twice to stand for itself (about_Quoting_Rules, 2026-11). */
function forPowerShell(text: string): string {
  return plainWindowsWord.test(text) ? text : `'${text.replace(/['\u2018-\u201b]/g, "$&$&")}'`;
}

function forShell(text: string): string {
  return plainWord.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
