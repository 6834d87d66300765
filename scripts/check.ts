// npm run check: all that has to hold before a change is merged, every part of it although one fails.
// npm run check -- lint types: only those parts.
import { spawnSync } from "node:child_process";
import path from "node:path";

const checks = {
  /** Format, lint and the length of functions. */
  lint: ["biome", "ci", "."],
  types: ["tsc", "--noEmit"],
  /** Files, exports and dependencies that nothing uses. */
  unused: ["knip", "--no-progress"],
  /** Also: the rooms, and that schema.graphql, the typed client and the migrations are fresh. */
  tests: ["vitest", "run"],
} as const;
type Check = keyof typeof checks;

const root = path.join(import.meta.dirname, "..");

function run(check: Check): boolean {
  const [program, ...options] = checks[check];
  console.log(`\n== ${check}: ${checks[check].join(" ")}`);
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
