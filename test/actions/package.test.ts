import { describe, expect, test } from "vitest";
import { type PackageFileInput, readPackage } from "../../src/actions/package.ts";
import { limits } from "../../src/core/limits.ts";

function problems(...files: PackageFileInput[]): string[] {
  return readPackage(files).issues.map(({ path, code }) => `${path} ${code}`);
}

function withPath(path: string): PackageFileInput {
  return { path, content: "" };
}

describe("a package", () => {
  test("keeps its files byte for byte", () => {
    const { files, issues } = readPackage([
      { path: "lib/é.py", content: "é\n" },
      { path: "run", content: "AP8=", encoding: "BASE64", executable: true },
    ]);
    expect(issues).toEqual([]);
    expect(files.map(({ path, content, executable }) => [path, [...content], executable])).toEqual([
      ["lib/é.py", [0xc3, 0xa9, 0x0a], false],
      ["run", [0x00, 0xff], true],
    ]);
  });

  test.each([
    "",
    "../x",
    "a/../../x",
    "a/..",
    "./x",
    "a//b",
    "a/",
    "/etc/passwd",
    "\\\\server\\x",
    "a\\..\\b",
    "C:/x",
    "c:x",
    "a\u0000b",
    "a\nb",
    "a\u202eb",
    "\ud800",
    "x.",
    "x ",
    "a:b",
    "NUL",
    "com1.py",
    "x".repeat(256),
  ])("refuses the path %j", (path) => expect(problems(withPath(path))).toEqual(["$.files[0].path invalid_path"]));

  test.each(["a", ".env", "...a", "a/b/c.py", "a..b", "nullable.py", "x".repeat(255)])("takes the path %j", (path) =>
    expect(problems(withPath(path))).toEqual([]),
  );

  test("refuses files that would be one somewhere", () => {
    expect(problems(withPath("a"), withPath("a"))).toEqual(["$.files[1].path clash"]);
    expect(problems(withPath("a/B.py"), withPath("A/b.py"))).toEqual(["$.files[1].path clash"]);
    expect(problems(withPath("\u00e9"), withPath("e\u0301"))).toEqual(["$.files[1].path clash"]);
    expect(problems(withPath("a/b/c"), withPath("A/b"))).toEqual(["$.files[0].path clash"]);
  });

  test.each(["A", "AAA", "A===", "A A=", "AAAA\n", "ÄÄÄÄ", "AA==AA=="])("refuses %j as base64", (content) =>
    expect(problems({ path: "a", content, encoding: "BASE64" })).toEqual(["$.files[0].content invalid_content"]),
  );

  test("is bounded in number and size", () => {
    const many = Array.from({ length: limits.packageFilesMax + 1 }, (_, index) => withPath(`f${index}`));
    expect(problems(...many)).toEqual(["$.files too_many"]);
    const large = "x".repeat(limits.packageFileBytesMax);
    expect(problems({ path: "a", content: `${large}x` })).toEqual(["$.files[0].content too_large"]);
    expect(problems(...["a", "b", "c"].map((path) => ({ path, content: large })))).toEqual(["$.files too_large"]);
  });

  test("tells every problem at once", () => {
    expect(problems(withPath("../a"), { path: "b", content: "%", encoding: "BASE64" }, withPath("/c"))).toHaveLength(3);
  });
});
