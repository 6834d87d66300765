// The house rules of docs/architecture.md that a reader can't be expected to check by eye. The length of functions is Biome's.
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

/** From the ground up: a room imports only rooms before it. */
const rooms = [
  "core",
  "scripts",
  "expressions",
  "database",
  "audit",
  "tenancy",
  "secrets",
  "approvals",
  "executors",
  "opservant",
  "live-actions",
  "actions",
  "playbooks",
  "runs",
  "triggers",
];
const fileLinesMax = 300;
const bannedNames = /^(index|utils?|helpers?|types?|services?|common|misc|constants)\.ts$/;

const root = path.join(import.meta.dirname, "..");
const texts = new Map(
  globSync("{src,test,scripts,examples,bench,client}/**/*.{ts,mjs}", { cwd: root, exclude: ["**/node_modules/**"] })
    .filter((file) => !file.startsWith("client/generated/"))
    .sort()
    .map((file) => [file, readFileSync(path.join(root, file), "utf8")]),
);
const sources = [...texts.keys()].filter((file) => file.startsWith("src/"));
const imports = new Map(sources.map((file) => [file, importsOf(file)]));

/** The files that a file imports, for their types too, as paths from the root. */
function importsOf(file: string): string[] {
  const found = texts.get(file)!.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g);
  return [...found].map(([, target]) => path.join(path.dirname(file), target!));
}

/** The room of a file; undefined at the top of `src`. */
function roomOf(file: string): string | undefined {
  const [, room, rest] = file.split("/");
  return rest === undefined ? undefined : room;
}

/** Why a file may not import another; undefined when it may. */
function objection(file: string, target: string): string | undefined {
  const from = roomOf(file);
  const to = roomOf(target);
  if (from === undefined || from === to) return undefined;
  if (to === undefined) return "what is at the top of src puts the rooms together";
  if (from === "graphql") return to === "core" ? undefined : "graphql/ imports only core/";
  if (to === "graphql") return isSchemaPart(file) ? undefined : "only a room's graphql.ts imports graphql/";
  // It is a program of its own, for older Nodes too, and goes over the network: no more is in it than it needs.
  if (from === "agent") return ["core", "scripts"].includes(to) ? undefined : "agent/ imports only core/ and scripts/";
  if (!rooms.includes(from) || !rooms.includes(to)) return "it is not between two rooms";
  return rooms.indexOf(to) < rooms.indexOf(from) ? undefined : "a room imports only rooms above it";
}

function isSchemaPart(file: string): boolean {
  return /^graphql(-.+)?\.ts$/.test(path.basename(file));
}

/** One cycle through each file that is in any, as `a > b > a`. */
function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, trail: readonly string[]) => {
    if (trail.includes(file)) cycles.push([...trail.slice(trail.indexOf(file)), file].join(" > "));
    else if (!done.has(file)) {
      for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
      done.add(file);
    }
  };
  for (const file of graph.keys()) visit(file, []);
  return cycles;
}

describe("the house", () => {
  test("imports upwards only", () => {
    const wrong = sources.flatMap((file) =>
      imports.get(file)!.flatMap((target) => {
        const why = objection(file, target);
        return why === undefined ? [] : [`${file} imports ${target}: ${why}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test("has no import cycles", () => {
    expect(cyclesOf(imports)).toEqual([]);
  });

  test("reads the environment in config.ts alone, and in the settings of the agent, which is a program of its own", () => {
    const reader = /\bprocess\s*(\.\s*env\b|\[\s*["']env)|\benv\b.*from "node:process"/;
    const readers = ["src/config.ts", "src/agent/settings.ts"];
    const wrong = sources.filter((file) => !readers.includes(file) && reader.test(texts.get(file)!));
    expect(wrong).toEqual([]);
  });

  test(`has no file longer than ${fileLinesMax} lines`, () => {
    const lines = [...texts].map(([file, text]) => ({ file, lines: text.trimEnd().split("\n").length }));
    expect(lines.filter((each) => each.lines > fileLinesMax)).toEqual([]);
  });

  test("locks every optional package of every platform, without which npm ci refuses to install", () => {
    const lock: { packages: Record<string, { optionalDependencies?: Record<string, string> }> } = JSON.parse(
      readFileSync(path.join(root, "package-lock.json"), "utf8"),
    );
    const missing = Object.entries(lock.packages).flatMap(([place, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !(`node_modules/${name}` in lock.packages) && !(`${place}/node_modules/${name}` in lock.packages),
      ),
    );
    expect(missing).toEqual([]);
  });

  test("watches every program of ours that a test starts for leaks (watchedArguments)", () => {
    const program = /\bsrc\/(?:main|rotate-key)\.ts"/;
    const starting = [...texts].filter(([file, text]) => file.startsWith("test/") && program.test(text));
    expect(starting.length).toBeGreaterThan(0);
    expect(starting.filter(([, text]) => !text.includes("[...watchedArguments(), ")).map(([file]) => file)).toEqual([]);
  });

  test("names every file for what it holds", () => {
    expect([...texts.keys()].filter((file) => bannedNames.test(path.basename(file)))).toEqual([]);
  });
});

describe("the rules of the house", () => {
  test.each([
    ["src/tenancy/tokens.ts", "src/runs/engine.ts", "a room imports only rooms above it"],
    ["src/runs/engine.ts", "src/graphql/builder.ts", "only a room's graphql.ts imports graphql/"],
    ["src/graphql/server.ts", "src/tenancy/tokens.ts", "graphql/ imports only core/"],
    ["src/agent/agent.ts", "src/executors/local.ts", "agent/ imports only core/ and scripts/"],
    ["src/agent/agent.ts", "src/scripts/run-script.ts", undefined],
    ["src/executors/local.ts", "src/agent/agent.ts", "it is not between two rooms"],
    ["src/scripts/run-script.ts", "src/executors/local.ts", "a room imports only rooms above it"],
    ["src/runs/engine.ts", "src/config.ts", "what is at the top of src puts the rooms together"],
    ["src/runs/graphql-steps.ts", "src/graphql/builder.ts", undefined],
    ["src/runs/engine.ts", "src/core/limits.ts", undefined],
    ["src/app.ts", "src/runs/engine.ts", undefined],
  ])("say of %s importing %s: %s", (file, target, expected) => {
    expect(objection(file, target)).toBe(expected);
  });

  test("find a cycle", () => {
    const graph = new Map([
      ["a", ["b"]],
      ["b", ["c"]],
      ["c", ["b"]],
    ]);
    expect(cyclesOf(graph)).toEqual(["b > c > b"]);
  });
});
