import type { Issue } from "../core/failures.ts";
import { formatPath, type Path } from "../expressions/paths.ts";
import { lookUp, type Scope } from "../expressions/scope.ts";
import { parseTemplate, type StandIn } from "../expressions/template.ts";

/**
 * A remote action's target with templates in it. Where a value comes to stand decides what it may do:
 * - a target that is one whole template is the URL itself, and the egress policy is all that bounds it;
 * - scheme, host and port come from the author, or from the tenant's own variables (`env`): no other value can choose the host;
 * - in path and query a value is percent-encoded, so that it stays one segment or one argument.
 */
export type TargetPosition = "whole" | "origin" | "path" | "query";

/** Scheme, host and port, and the character that ends them. Blanks, backslashes and `@` are read differently by different parsers. */
const closedOrigin = /^https?:\/\/[^/?#\\\s@]+[/?#]/i;

/** Where each template of a target stands. @throws ExpressionSyntaxError */
export function targetPositions(target: string): { readonly path: Path; readonly position: TargetPosition }[] {
  const { parts, lone } = parseTemplate(target);
  if (lone) return [{ path: lone, position: "whole" }];
  const positions: { path: Path; position: TargetPosition }[] = [];
  let before = "";
  for (const part of parts) {
    if (typeof part === "string") before += part;
    else {
      positions.push({ path: part, position: positionAfter(before) });
      // A variable at the beginning is to hold the scheme as well; elsewhere any name does.
      before += before === "" ? "https://variable" : "variable";
    }
  }
  return positions;
}

function positionAfter(before: string): TargetPosition {
  if (!closedOrigin.test(before)) return "origin";
  return /[?#]/.test(before) ? "query" : "path";
}

/** The target with its templates replaced by a harmless word, to be looked at as a URL; undefined where a template is part of its origin. */
export function targetOutline(target: string): string | undefined {
  if (targetPositions(target).some(({ position }) => position === "whole" || position === "origin")) return undefined;
  return parseTemplate(target)
    .parts.map((part) => (typeof part === "string" ? part : "x"))
    .join("");
}

/** @returns The URL, or what is wrong; no message quotes a value. A text that stands in for a value is no part of what is checked. */
export function renderTarget(
  target: string,
  scope: Scope,
  standIn?: StandIn,
): { readonly url: string } | { readonly issue: Issue } {
  const { parts, lone } = parseTemplate(target);
  const whole = lone && standIn?.(lone);
  if (whole !== undefined) return { url: whole };
  if (lone) return wholeTarget(lone, scope);
  let url = "";
  for (const part of parts) {
    if (typeof part === "string") {
      url += part;
      continue;
    }
    const standing = standIn?.(part);
    if (standing !== undefined) {
      url += standing;
      continue;
    }
    const value = textAt(part, scope);
    const position = positionAfter(url);
    const problem = valueProblem(value, position, part);
    if (problem) return refused(problem);
    url += position === "origin" ? value : encodeURIComponent(value);
  }
  if (parts.some((part) => typeof part !== "string") && hasDotSegment(url)) {
    return refused("A value in its path is . or .., which would leave the target's path.");
  }
  return { url };
}

function wholeTarget(path: Path, scope: Scope): { readonly url: string } | { readonly issue: Issue } {
  const value = lookUp(scope, path);
  // URL parsers drop line breaks and blanks silently: what would be asked is then not what was checked.
  const isUrl = typeof value === "string" && /^https?:\/\/[^\s\\\p{Cc}]+$/iu.test(value);
  return isUrl ? { url: value } : refused(`${formatPath(path)} is to be an http or https URL.`);
}

function valueProblem(value: string, position: TargetPosition, path: Path): string | undefined {
  if (position === "origin") {
    if (path[0] !== "env") return `${formatPath(path)} may not choose the host.`;
    return /^[^\s\\@\p{Cc}]+$/u.test(value)
      ? undefined
      : `${formatPath(path)} is missing, or can't be part of a URL's beginning.`;
  }
  // Without it the path would name the collection instead of one thing in it.
  if (position === "path" && value === "") return `${formatPath(path)} stands in its path and is empty.`;
  return undefined;
}

function textAt(path: Path, scope: Scope): string {
  const value = lookUp(scope, path);
  if (value === undefined || value === null) return "";
  return (typeof value === "object" ? JSON.stringify(value) : String(value)).toWellFormed();
}

function hasDotSegment(url: string): boolean {
  const path = url.split(/[?#]/, 1)[0]?.replace(/^https?:\/\/[^/]*/i, "") ?? "";
  return path.split(/[/\\]/).some((segment) => /^(\.|%2e){1,2}$/i.test(segment));
}

function refused(message: string): { readonly issue: Issue } {
  return {
    issue: { path: "$.executor.target", code: "invalid_target", message: `The target can't be used: ${message}` },
  };
}
