import type { Issue } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import type { Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { parseVersion, type Version } from "./version.ts";

/** A version by line (`1.2`, without `patch`) or exactly (`1.2.3`). */
export type VersionPart = Omit<Version, "patch"> & { readonly patch?: number };

/** What a reference says. */
export interface Reference {
  /** The action's UUID, a prefix of it, or its name: what stands before the last `@` with a version. */
  readonly action: string;
  readonly version?: VersionPart;
}

/** Digits and dots after the last `@` are a version, or a mistaken one; anything else belongs to the name. */
const versionSuffix = /^(.*)@(v?[0-9][0-9.]*)$/su;
const line = /^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})$/;

/**
 * Reads `name`, `name@MAJOR.MINOR`, `name@MAJOR.MINOR.PATCH`, and the same with a UUID or a prefix of it in the name's place.
 * A name may hold blanks and `@`; none may end like a version, so that a reference has one meaning.
 * @returns An issue at `$` for what is no reference.
 */
export function parseReference(text: string): Reference | Issue {
  if (text.length > limits.referenceLengthMax)
    return malformed(`A reference has at most ${limits.referenceLengthMax} characters.`);
  const match = versionSuffix.exec(text);
  const action = match?.[1] ?? text;
  if (action === "") return malformed("The name is missing.");
  if (!match) return { action };
  const version = parseVersionPart(match[2] ?? "");
  if (!version) return malformed("After @ stands a version: MAJOR.MINOR, such as name@1.2, or MAJOR.MINOR.PATCH.");
  return { action, version };
}

function parseVersionPart(text: string): VersionPart | undefined {
  const match = line.exec(text);
  return match ? { major: Number(match[1]), minor: Number(match[2]) } : parseVersion(text);
}

function malformed(message: string): Issue {
  return { path: "$", code: "invalid_reference", message };
}

/** The version of a reference as it is written. */
export function formatVersionPart({ major, minor, patch }: VersionPart): string {
  return patch === undefined ? `${major}.${minor}` : `${major}.${minor}.${patch}`;
}

/** The least and the greatest UUID that begin with these 8 or more hex digits; undefined for what begins none. */
export function uuidRange(prefix: string): { readonly least: string; readonly greatest: string } | undefined {
  const lower = prefix.toLowerCase();
  const digits = lower.replaceAll("-", "");
  if (digits.length < 8 || !/^[0-9a-f]{8,32}$/.test(digits)) return undefined;
  const least = uuidOf(digits.padEnd(32, "0"));
  return least.startsWith(lower) ? { least, greatest: uuidOf(digits.padEnd(32, "f")) } : undefined;
}

function uuidOf(digits: string): string {
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    "-",
  );
}

/** What would make a name ambiguous as a reference. Length and type are the schema's. */
export function nameIssues(name: Json | undefined): Issue[] {
  if (typeof name !== "string") return [];
  const issue = (message: string): Issue[] => [{ path: "$.name", code: "invalid_name", message }];
  if (versionSuffix.test(name)) return issue("A name can't end like a version (@1.2): references do.");
  if (isUuid(name.toLowerCase())) return issue("A name can't be a UUID: references by UUID would mean another action.");
  if (name.trim() !== name || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) {
    return issue("A name has no characters that can't be seen, and no blanks at its ends.");
  }
  return [];
}
