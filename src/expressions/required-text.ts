/** What every text has in it that a pattern matches. */
export interface RequiredText {
  /** In lower case where `isFolded`. At least 3 characters, at most 32. */
  readonly text: string;
  /** Whether the pattern is indifferent to case. Then this can be told of texts in ASCII only: "K" is matched by the Kelvin sign, too. */
  readonly isFolded: boolean;
}

const FLAGS = /^\(\?([imsU]+)\)/;
// Alternatives and groups need not all be there, and these escapes are longer than two characters.
const BEYOND_US = /[|()]|\\[QExpP0-9]/;
const ATOM =
  /(?:\\(?<escaped>.)|(?<class>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])|(?<plain>.))(?<repeated>(?:[*+?]|\{\d+(?:,\d*)?\})\??)?/gsu;
const LENGTH_MIN = 3;
/** So short that the engine's own search takes about as long as reading the text. */
const LENGTH_MAX = 32;

/** Read from the pattern without compiling it; undefined where nothing can be told. For patterns that compile. */
export function requiredText(pattern: string): RequiredText | undefined {
  const [flags = "", letters = ""] = FLAGS.exec(pattern) ?? [];
  const body = pattern.slice(flags.length);
  if (BEYOND_US.test(body)) return undefined;
  const isFolded = letters.includes("i");
  const runs: string[] = [""];
  const add = (text: string): void => {
    runs.push((runs.pop() ?? "") + text);
  };
  for (const { groups } of body.matchAll(ATOM)) {
    const literal = literalOf(groups, isFolded);
    const repeated = groups?.["repeated"];
    if (literal !== undefined && (repeated === undefined || repeated === "+")) add(literal);
    if (literal === undefined || repeated !== undefined) runs.push("");
  }
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best));
  if (longest.length < LENGTH_MIN) return undefined;
  const text = [...longest].slice(0, LENGTH_MAX).join("");
  return { text: isFolded ? text.toLowerCase() : text, isFolded };
}

/** The character that an atom always is; undefined for those that may be several. */
function literalOf(groups: Readonly<Record<string, string>> | undefined, isFolded: boolean): string | undefined {
  const { escaped, plain } = groups ?? {};
  const literal = escaped === undefined ? plain : /[!-/:-@[-`{-~]/.test(escaped) ? escaped : undefined;
  if (literal === undefined || (escaped === undefined && /[.^$]/.test(literal))) return undefined;
  return isFolded && !isAscii(literal) ? undefined : literal;
}

export function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}
