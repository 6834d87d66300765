const COUNTED = /\{(\d{1,4})(?:,(\d{0,4}))?\}/y;

interface Group {
  /** Instructions of all but the last atom. */
  before: number;
  /** Instructions of the last atom, which a quantifier multiplies. */
  last: number;
}

/**
 * About how many instructions a pattern compiles to: atoms, multiplied by their counted repetitions. Read in one pass
 * before anything is compiled, since compiling `x{999}x{999}…` is itself what takes long. Exact for no pattern, and
 * short of the truth by a small factor at most; what can't be read is left to the compiler.
 */
export function patternSize(pattern: string): number {
  const open: Group[] = [];
  let group: Group = { before: 0, last: 0 };
  const add = (size: number): void => {
    group.before += group.last;
    group.last = size;
  };
  let at = 0;
  while (at < pattern.length) {
    const char = pattern[at];
    const repeat = char === "{" ? countAt(pattern, at) : undefined;
    if (repeat) {
      group.last *= Math.max(repeat.count, 1);
      at = repeat.end;
      continue;
    }
    if (char === "(") {
      open.push(group);
      group = { before: 1, last: 1 };
    } else if (char === ")") {
      const inner = group.before + group.last;
      group = open.pop() ?? { before: 0, last: 0 };
      add(inner);
    } else add(1);
    if (char === "[") at = endOfClass(pattern, at);
    else if (char === "\\") at = endOfEscape(pattern, at);
    else at += 1;
  }
  for (const outer of open) group.before += outer.before + outer.last;
  return group.before + group.last;
}

function countAt(pattern: string, at: number): { count: number; end: number } | undefined {
  COUNTED.lastIndex = at;
  const found = COUNTED.exec(pattern);
  return found ? { count: Math.max(Number(found[1]), Number(found[2] ?? 0)), end: COUNTED.lastIndex } : undefined;
}

/** The offset after a class such as `[^]a\]]`; a first `]` belongs to it. */
function endOfClass(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern[at] === "^") at++;
  if (pattern[at] === "]") at++;
  while (at < pattern.length && pattern[at] !== "]") at += pattern[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** The offset after an escape; the braces of `\x{1F600}` and `\p{Greek}` are no repetition. */
function endOfEscape(pattern: string, start: number): number {
  const isBraced = /[xpP]/.test(pattern[start + 1] ?? "") && pattern[start + 2] === "{";
  const end = isBraced ? pattern.indexOf("}", start) : start + 1;
  return end < 0 ? pattern.length : end + 1;
}
