import type { Issue } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import type { PackageFile } from "../executors/executor.ts";

/** A file as it comes over the API. */
export interface PackageFileInput {
  readonly path: string;
  readonly content: string;
  readonly encoding?: "UTF8" | "BASE64" | null | undefined;
  readonly executable?: boolean | null | undefined;
}

/**
 * Reads the files of a package and refuses, before anything is written anywhere, what could leave it or could not lie on
 * every file system.
 * @returns The files, and every problem with paths such as `$.files[2].path`. With problems the files are
 *   good for nothing but checks of the definition that go on all the same.
 */
export function readPackage(inputs: readonly PackageFileInput[]): { files: PackageFile[]; issues: Issue[] } {
  const issues: Issue[] = [];
  if (inputs.length > limits.packageFilesMax) {
    const message = `A package has at most ${limits.packageFilesMax} files; these are ${inputs.length}.`;
    return { files: [], issues: [{ path: "$.files", code: "too_many", message }] };
  }
  const files: PackageFile[] = [];
  let bytes = 0;
  for (const [index, input] of inputs.entries()) {
    const path = `$.files[${index}]`;
    const problem = pathProblem(input.path);
    if (problem) issues.push({ path: `${path}.path`, code: "invalid_path", message: problem });
    const content = readContent(input);
    if (typeof content === "string") {
      issues.push({ path: `${path}.content`, code: "invalid_content", message: content });
    } else if (content.length > limits.packageFileBytesMax) {
      const message = `A file has at most ${limits.packageFileBytesMax} bytes; this has ${content.length}.`;
      issues.push({ path: `${path}.content`, code: "too_large", message });
    }
    const readable = typeof content === "string" ? new Uint8Array() : content;
    bytes += readable.length;
    if (!problem) files.push({ path: input.path, content: readable, executable: input.executable ?? false });
  }
  if (bytes > limits.packageBytesMax) {
    const message = `The files of a package have at most ${limits.packageBytesMax} bytes together; these have ${bytes}.`;
    issues.push({ path: "$.files", code: "too_large", message });
  }
  issues.push(...clashIssues(inputs));
  return { files, issues };
}

// Devices on Windows, with any extension.
const deviceName = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)/i;

/** Why a path can't be one of a package's file; undefined when it can. */
export function pathProblem(path: string): string | undefined {
  if (path === "") return "The path is empty.";
  if (path.length > limits.packagePathLengthMax)
    return `The path is longer than ${limits.packagePathLengthMax} characters.`;
  if (!path.isWellFormed() || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(path))
    return "The path holds characters that can't be seen.";
  if (path.includes("\\")) return "Write the path with / and not with \\.";
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path))
    return "The path is absolute; it begins at the package's own root.";
  return path
    .split("/")
    .map(segmentProblem)
    .find((problem) => problem !== undefined);
}

function segmentProblem(segment: string): string | undefined {
  if (segment === "") return "The path has an empty part between two / or at its end.";
  if (segment === "." || segment === "..")
    return `The path has a part ${segment}; it has to stay inside the package, written plainly.`;
  if (/[. ]$|^ /.test(segment)) return "A part of the path begins or ends with a blank, or ends with a dot.";
  if (/[<>:"|?*]/.test(segment)) return 'The path has one of < > : " | ? *, which not every file system can hold.';
  if (deviceName.test(segment)) return "A part of the path is the name of a device on some systems.";
  return Buffer.byteLength(segment) > 255 ? "A part of the path has more than 255 bytes." : undefined;
}

/** The bytes, or what is wrong with them. */
function readContent({ content, encoding }: PackageFileInput): Uint8Array | string {
  if (encoding !== "BASE64") {
    return content.isWellFormed()
      ? Buffer.from(content, "utf8")
      : "The text holds half of a surrogate pair; send it as BASE64.";
  }
  // Buffer skips what is no base64, so that a cut or garbled file would be stored without a word.
  const isBase64 = content.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(content);
  return isBase64
    ? Buffer.from(content, "base64")
    : "This is no base64 (RFC 4648, section 4, with padding and without line breaks).";
}

/** Files that would be one on some file system, and files where others need a directory. */
function clashIssues(inputs: readonly PackageFileInput[]): Issue[] {
  const issues: Issue[] = [];
  const files = new Map<string, number>();
  const folded = inputs.map(({ path }) =>
    path
      .slice(0, limits.packagePathLengthMax + 1)
      .normalize("NFC")
      .toLowerCase(),
  );
  for (const [index, path] of folded.entries()) {
    const first = files.get(path);
    if (first === undefined) files.set(path, index);
    else
      issues.push(
        clash(
          index,
          `$.files[${first}] has the same path${sameText(inputs, first, index) ? "" : ", but for its case"}.`,
        ),
      );
  }
  for (const [index, path] of folded.entries()) {
    for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
      const file = files.get(path.slice(0, at));
      if (file === undefined) continue;
      issues.push(clash(index, `$.files[${file}] is a file where this path has a directory.`));
      break;
    }
  }
  return issues;
}

function sameText(inputs: readonly PackageFileInput[], a: number, b: number): boolean {
  return inputs[a]?.path === inputs[b]?.path;
}

function clash(index: number, message: string): Issue {
  return { path: `$.files[${index}].path`, code: "clash", message };
}
