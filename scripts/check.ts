// npm run check: all that has to hold before a change is merged, every part of it although one fails.
// npm run check -- lint types: only those parts.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

const root = path.join(import.meta.dirname, "..");
// The bench's peers are no dependency of the product, and its types are looked at where they have been installed.
const hasBench = existsSync(path.join(root, "bench/node_modules"));

type Command = readonly [string, ...string[]];
const checks = {
  /** Format, lint and the length of functions. */
  lint: [["biome", "ci", "."]],
  types: [["tsc", "--noEmit"], ...(hasBench ? [["tsc", "--noEmit", "-p", "bench"] as const] : [])],
  /** Files, exports and dependencies that nothing uses. */
  unused: [["knip", "--no-progress"]],
  /** Also: the rooms, and that schema.graphql, the typed client and the migrations are fresh. */
  tests: [["vitest", "run"]],
} satisfies Record<string, readonly Command[]>;
type Check = keyof typeof checks;

function run(check: Check): boolean {
  return checks[check].map((command) => isFine(check, command)).every(Boolean);
}

function isFine(check: Check, [program, ...options]: Command): boolean {
  console.log(`\n== ${check}: ${[program, ...options].join(" ")}`);
  const { status, error } = spawnSync(program, options, { cwd: root, stdio: "inherit" });
  if (error) console.error(`${program} can't be run (${error.message}). Use npm run check, after npm ci.`);
  return status === 0;
}

const all = Object.keys(checks) as Check[];
const named = process.argv.slice(2);
const unknown = named.filter((name) => !all.some((check) => check === name));
if (unknown.length > 0) {
  console.error(`There is no check ${unknown.join(", ")}; there are ${all.join(", ")}.`);
  process.exit(2);
}
const results = all.filter((check) => named.length === 0 || named.includes(check)).map((check) => [check, run(check)]);
console.log(`\n${results.map(([check, passed]) => `${check}: ${passed ? "passed" : "FAILED"}`).join("\n")}`);
process.exitCode = results.every(([, passed]) => passed) ? 0 : 1;
