import { execFile } from "node:child_process";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..");
const directory = mkdtempSync(path.join(tmpdir(), "riposte-compiled-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Has a process keep what it compiles beside some packages, and then load a module. @returns What it says about it. */
async function load(packages: string): Promise<unknown> {
  const module = path.join(directory, "loaded.ts");
  writeFileSync(module, `export const text: string = "${"x".repeat(2_000)}";`);
  const script = `const { keepCompiled } = await import(${JSON.stringify(path.join(root, "src/keep-compiled.ts"))});
    const isKept = keepCompiled(${JSON.stringify(packages)});
    await import(${JSON.stringify(module)});
    console.log(JSON.stringify(isKept));`;
  const { PATH } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    env: { PATH },
  });
  return JSON.parse(stdout);
}

function makePackages(name: string): string {
  const packages = path.join(directory, name);
  mkdirSync(packages);
  return packages;
}

describe("what a start has compiled", () => {
  test("is kept beside the packages of an installation of ours", async () => {
    const packages = makePackages("ours");
    expect(await load(packages)).toBe(true);
    const [version] = readdirSync(path.join(packages, ".cache/riposte"));
    expect(readdirSync(path.join(packages, ".cache/riposte", version ?? "")).length).toBeGreaterThan(0);
  });

  test.runIf(process.getuid?.() === 0)("is not kept in the installation of somebody else (as root)", async () => {
    const packages = makePackages("theirs");
    chownSync(packages, 65_534, 65_534);
    expect(await load(packages)).toBe(false);
    expect(readdirSync(packages)).toEqual([]);
  });

  test("is not kept where there are no packages", async () => {
    const packages = path.join(directory, "none");
    expect(await load(packages)).toBe(false);
    expect(existsSync(packages)).toBe(false);
  });

  test("is made ahead for the Node of npm start: with other options of V8 it would not be taken", () => {
    const { scripts } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const options = (script = "") => script.match(/--(?:min|max)-\S+/g);
    expect(options(scripts["postinstall"])).toEqual(options(scripts["start"]));
    expect(options(scripts["start"])).toHaveLength(2);
  });
});
