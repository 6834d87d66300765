import { limits } from "../core/limits.ts";

/** MAJOR.MINOR.PATCH, without pre-release or build (https://semver.org). */
export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** The smallest step of a version that says what changed. */
export type Bump = "patch" | "minor" | "major";

/** As JSON Schema writes it: no leading zeros, each number at most `limits.versionNumberMax`. */
export const versionPattern = "^(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})$";

const full = new RegExp(versionPattern);

/** The version a text writes, or undefined for what is none. */
export function parseVersion(text: string): Version | undefined {
  const match = full.exec(text);
  if (!match) return undefined;
  const version = { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3]) };
  return Math.max(version.major, version.minor, version.patch) <= limits.versionNumberMax ? version : undefined;
}

export function formatVersion({ major, minor, patch }: Version): string {
  return `${major}.${minor}.${patch}`;
}

/** Below 0 when `a` is the lower one, 0 when they are equal. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch;
}

/** What the step from `below` to `above` promises. */
export function bumpBetween(below: Version, above: Version): Bump {
  if (below.major !== above.major) return "major";
  return below.minor !== above.minor ? "minor" : "patch";
}

const ranks: Readonly<Record<Bump, number>> = { patch: 0, minor: 1, major: 2 };

/** True when a step of this size may hold a change of that size. */
export function allowsBump(step: Bump, required: Bump): boolean {
  return ranks[step] >= ranks[required];
}

export function largerBump(a: Bump, b: Bump): Bump {
  return ranks[a] >= ranks[b] ? a : b;
}

/** The next version after `version` by a step of that size. */
export function bumped({ major, minor, patch }: Version, bump: Bump): Version {
  if (bump === "major") return { major: major + 1, minor: 0, patch: 0 };
  return bump === "minor" ? { major, minor: minor + 1, patch: 0 } : { major, minor, patch: patch + 1 };
}
