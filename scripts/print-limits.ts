// npm run limits: writes docs/limits.md from src/core/limits.ts and its parts, whose comments are the reasons.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { limits } from "../src/core/limits.ts";

const root = path.resolve(import.meta.dirname, "..");
const sourcePaths = ["edge-limits", "limits", "script-limits", "live-action-limits", "trust-limits"].map((name) =>
  path.join(root, `src/core/${name}.ts`),
);
const pagePath = path.join(root, "docs/limits.md");

/** The page as it should be. */
export function limitsPage(): string {
  const lines = [
    "# Limits",
    "",
    "Every bound of the product. Printed from `src/core/limits.ts` by `npm run limits`; don't edit this page.",
    "",
  ];
  for (const { title, groups } of sourcePaths.flatMap((source) => sectionsOf(readFileSync(source, "utf8")))) {
    lines.push(`## ${title}`, "", "| limit | value | why |", "|---|---|---|");
    for (const { names, reason } of groups) {
      const shown = names.map((name) => `\`${name}\``).join("<br>");
      const values = names.map((name) => shownValue(name)).join("<br>");
      lines.push(`| ${shown} | ${values} | ${reason.replaceAll("|", "\\|")} |`);
    }
    lines.push("");
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

/** Limits that one comment explains. */
interface Group {
  readonly names: string[];
  readonly reason: string;
}

interface Section {
  readonly title: string;
  readonly groups: Group[];
}

// The source has one shape: a ruled comment opens a section, a docstring comes before the limits it explains.
const token = /^ {2}(?:\/\/ -{4} (?<title>.+?) -+|\/\*\* (?<reason>[\s\S]*?) \*\/|(?<name>\w+):)/gm;

function sectionsOf(source: string): Section[] {
  const sections: Section[] = [];
  const body = source.slice(source.indexOf("export const "));
  for (const { groups: found } of body.matchAll(token)) {
    const { title, reason, name } = found ?? {};
    const groups = sections.at(-1)?.groups;
    if (title !== undefined) sections.push({ title, groups: [] });
    else if (reason !== undefined) groups?.push({ names: [], reason: reason.replace(/\s*\n\s*\*\s*/g, " ") });
    else if (name !== undefined) groups?.at(-1)?.names.push(name);
  }
  return sections;
}

function shownValue(name: string): string {
  const value = (limits as Readonly<Record<string, number>>)[name];
  if (value === undefined) throw new Error(`limits.ts has no ${name}, though its text seems to.`);
  return `${grouped(value)}${unitOf(name, value)}`;
}

function unitOf(name: string, value: number): string {
  const mebibyte = 1024 * 1024;
  if (/Bytes/.test(name) && value >= 1024) {
    return value % mebibyte === 0 ? ` (${grouped(value / mebibyte)} MiB)` : ` (${grouped(value / 1024)} KiB)`;
  }
  if (/Ms(Max|Min)?$/.test(name) && value >= 60_000) return ` (${grouped(value / 60_000)} min)`;
  return "";
}

function grouped(value: number): string {
  return value.toLocaleString("en-GB");
}

if (import.meta.main) {
  writeFileSync(pagePath, limitsPage());
  console.log(`docs/limits.md: ${Object.keys(limits).length} limits`);
}
