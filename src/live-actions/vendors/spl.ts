import type { Json } from "../../core/json.ts";

/**
 * A text as a quoted string of SPL, which macros, pipes, brackets and comments don't reach into. Control characters become blanks.
 * In the `search` command, `*` stays a wildcard within it: SPL knows no escape for that.
 * @see "Use search macros in searches" (no macro is expanded within quotes) in the Splunk knowledge manager manual, 2026-11.
 */
export function splText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant.
  const plain = text.toWellFormed().replace(/[\u0000-\u001f\u007f]+/g, " ");
  return `"${plain.replace(/["\\]/g, "\\$&")}"`;
}

/** A name of a field that needs no quotes; `_time` and its like are Splunk's own. */
export function isFieldName(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name);
}

/** `eval` of texts, numbers and truths, all as texts, as notable events hold them. */
export function splEval(fields: readonly (readonly [name: string, value: Json])[]): string {
  return `eval ${fields.map(([name, value]) => `${name}=${splText(asText(value))}`).join(", ")}`;
}

function asText(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export interface SplSearch {
  readonly query?: string | undefined;
  /** Looked for as it stands where there is no query. */
  readonly phrase: string;
  readonly index?: string | undefined;
}

/**
 * The search as Splunk runs it. What begins with a pipe or with `search` is left as it is; anything else becomes a `search`, within the
 * index where one is named (OR binds closer than the blank between, so an OR of the query does not lead out of it).
 */
export function splSearch({ query, phrase, index }: SplSearch): string {
  const text = query?.trim();
  if (text !== undefined && /^(\||search\s)/i.test(text)) return text;
  const within = index === undefined ? "" : `index=${splText(index)} `;
  return `search ${within}${text ?? splText(phrase)}`;
}

/**
 * The first command of a search that changes or sends something, or runs what could; undefined where there is none. Commands within a macro
 * or a saved search are not seen.
 * @see "Commands that trigger SPL safeguards" in the Splunk Enterprise security manual, 10.2, 2026-11; and those of DB Connect.
 */
export function writingCommand(search: string): string | undefined {
  // `eval` has names of fields in single quotes, `search` has not: what is outside of either reading is looked at.
  for (const quoted of [/"(?:\\[\s\S]|[^"\\])*"|```[\s\S]*?```/g, /"(?:\\[\s\S]|[^"\\])*"|'[^']*'|```[\s\S]*?```/g]) {
    for (const [, command = ""] of search.replace(quoted, " ").matchAll(/(?:^|[|[])\s*([a-z_]\w*)/gi)) {
      if (writing.has(command.toLowerCase())) return command.toLowerCase();
    }
  }
  return undefined;
}

const writing: ReadonlySet<string> = new Set([
  ...["collect", "delete", "dump", "map", "mcollect", "meventcollect", "outputcsv", "outputlookup", "run"],
  ...["runshellscript", "script", "sendalert", "sendemail", "summaryindex", "tscollect", "dbxoutput", "dbxquery"],
]);
