import type { Issue } from "../core/failures.ts";

const entryName = /^[A-Za-z0-9_.-]{1,128}$/;

/** True for what a secret or a variable may be called. */
export function isEntryName(name: string): boolean {
  return entryName.test(name);
}

interface Entry {
  readonly name: string;
  readonly value: string;
}

/** What is wrong with a secret or variable that is to be put. No message quotes the name or the value: people mix them up. */
export function entryIssues({ name, value }: Entry, { bytesMax }: { readonly bytesMax: number }): Issue[] {
  const issues: Issue[] = [];
  if (!isEntryName(name)) {
    issues.push({ path: "$.name", code: "invalid_name", message: "A name has 1 to 128 of A-Z, a-z, 0-9, _, . and -." });
  }
  if (Buffer.byteLength(value) > bytesMax) {
    issues.push({ path: "$.value", code: "too_long", message: `A value has at most ${bytesMax} bytes.` });
  }
  if (!value.isWellFormed()) {
    issues.push({
      path: "$.value",
      code: "invalid_text",
      message: "The value holds half of a surrogate pair, which is no text.",
    });
  }
  return issues;
}
