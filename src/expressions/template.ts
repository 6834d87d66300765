import { type Issue, ValidationFailure } from "../core/failures.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { childPath } from "../core/json-path.ts";
import { limits } from "../core/limits.ts";
import { BoundedCache } from "./bounded-cache.ts";
import { formatPath, type Path, parseBraces } from "./paths.ts";
import { lookUp, type Scope } from "./scope.ts";
import { ExpressionSyntaxError } from "./syntax-error.ts";
import { Warnings } from "./warnings.ts";

/** A text with paths in it: literal pieces and paths in their order. */
export interface Template {
  readonly parts: readonly (string | Path)[];
  /** The path of a text that is one whole template: its value keeps its type. */
  readonly lone?: Path;
}

const parsed = new BoundedCache<Template>(limits.parsedTextsKeptMax);

/**
 * Reads a text with `{{ path }}` in it; any text without `{{` is one literal piece.
 * @throws ExpressionSyntaxError also for a text longer than `templateLengthMax`.
 */
export function parseTemplate(text: string): Template {
  return parsed.get(text, parseAnew);
}

function parseAnew(text: string): Template {
  if (text.length > limits.templateLengthMax) {
    throw new ExpressionSyntaxError(
      `A template is at most ${limits.templateLengthMax} characters long.`,
      limits.templateLengthMax,
    );
  }
  const parts: (string | Path)[] = [];
  let at = 0;
  for (;;) {
    const start = text.indexOf("{{", at);
    if (start < 0) break;
    if (start > at) parts.push(text.slice(at, start));
    const { path, end } = parseBraces(text, start);
    parts.push(path);
    at = end;
  }
  if (at < text.length) parts.push(text.slice(at));
  const [only] = parts;
  return parts.length === 1 && typeof only === "object" ? { parts, lone: only } : { parts };
}

/** The text that stands in the place of a path, instead of what the scope holds; undefined where the scope decides. */
export type StandIn = (path: Path) => string | undefined;

/** True for a text that has to be parsed before it is used. */
export function isTemplate(text: string): boolean {
  return text.includes("{{");
}

/**
 * Puts what the scope holds in the place of every template of a JSON value; keys are left as they are. What is put in is
 * data and not looked at again. A value without templates is returned itself.
 * @param standIn Asked before the scope.
 * @returns The value, and a warning for each path that found nothing (null where it stands alone, else an empty text).
 * @throws ExpressionSyntaxError for a text that `templateIssues` would have refused.
 * @throws ValidationFailure (`rendered_too_large`, `rendered_too_deep`) where the bounds of limits.ts are crossed.
 */
export function renderTemplate(value: Json, scope: Scope, standIn?: StandIn): { value: Json; warnings: string[] } {
  const rendering = { scope, standIn, warnings: new Warnings(), bytesLeft: limits.renderedValueBytesMax };
  return { value: renderValue(value, 0, rendering), warnings: rendering.warnings.list() };
}

interface Rendering {
  readonly scope: Scope;
  readonly standIn: StandIn | undefined;
  readonly warnings: Warnings;
  bytesLeft: number;
}

function renderValue(value: Json, depth: number, rendering: Rendering): Json {
  if (typeof value === "string") return isTemplate(value) ? renderText(value, rendering) : value;
  if (typeof value !== "object" || value === null) return value;
  if (depth >= limits.documentDepthMax) throw tooDeep();
  return Array.isArray(value)
    ? renderList(value, depth, rendering)
    : renderObject(value as JsonObject, depth, rendering);
}

function renderList(list: readonly Json[], depth: number, rendering: Rendering): Json {
  let items: Json[] | undefined;
  for (let i = 0; i < list.length; i++) {
    const before = list[i]!;
    const after = renderValue(before, depth + 1, rendering);
    if (after !== before) {
      items ??= list.slice();
      items[i] = after;
    }
  }
  return items ?? list;
}

function renderObject(object: JsonObject, depth: number, rendering: Rendering): Json {
  let changed: Map<string, Json> | undefined;
  for (const key of Object.keys(object)) {
    const before = object[key]!;
    const after = renderValue(before, depth + 1, rendering);
    if (after !== before) {
      changed ??= new Map();
      changed.set(key, after);
    }
  }
  if (!changed) return object;
  // fromEntries defines properties, so that a key "__proto__" stays a key.
  return Object.fromEntries(
    Object.entries(object).map(([key, before]) => [key, changed.has(key) ? changed.get(key)! : before]),
  );
}

function renderText(text: string, rendering: Rendering): Json {
  const { parts, lone } = parseTemplate(text);
  if (lone) {
    const found = rendering.standIn?.(lone) ?? lookUp(rendering.scope, lone);
    if (found === undefined) rendering.warnings.add(`${formatPath(lone)} finds nothing: null is used.`);
    const value = (found ?? null) as Json;
    spend(sizeOf(value), rendering);
    return value;
  }
  let rendered = "";
  for (const part of parts) {
    rendered += typeof part === "string" ? part : textOf(part, rendering);
    if (rendered.length > limits.renderedBytesMax) throw tooLarge(limits.renderedBytesMax);
  }
  spend(Buffer.byteLength(rendered), rendering);
  return rendered;
}

function textOf(path: Path, rendering: Rendering): string {
  const found = rendering.standIn?.(path) ?? lookUp(rendering.scope, path);
  if (found === undefined) rendering.warnings.add(`${formatPath(path)} finds nothing: an empty text is used.`);
  if (found === undefined || found === null) return "";
  if (typeof found !== "object") return String(found);
  if (sizeOf(found as Json) > limits.renderedBytesMax) throw tooLarge(limits.renderedBytesMax);
  return JSON.stringify(found);
}

function spend(bytes: number, rendering: Rendering): void {
  rendering.bytesLeft -= bytes;
  if (rendering.bytesLeft < 0) throw tooLarge(limits.renderedValueBytesMax);
}

// The outputs of earlier steps are measured once, not at every use.
const sizes = new WeakMap<object, number>();

/** Bytes of the value as JSON, without what escaping adds. Throws instead of measuring what is too large anyway. */
function sizeOf(value: Json): number {
  const isObject = typeof value === "object" && value !== null;
  const known = isObject ? sizes.get(value) : undefined;
  if (known !== undefined) return known;
  const bytes = addSize(value, 0, 0);
  if (isObject) sizes.set(value, bytes);
  return bytes;
}

/** `bytes` and those of the value. */
function addSize(value: Json, depth: number, bytes: number): number {
  if (bytes > limits.renderedValueBytesMax) throw tooLarge(limits.renderedValueBytesMax);
  if (typeof value === "string") return bytes + Buffer.byteLength(value) + 3;
  if (typeof value !== "object" || value === null) return bytes + 8;
  // Twice the bound: `trigger` or `steps` as a whole lie around documents that are as deep as they may be.
  if (depth >= 2 * limits.documentDepthMax) throw tooDeep();
  let sum = bytes + 3;
  for (const [key, inner] of Object.entries(value)) {
    sum = addSize(inner as Json, depth + 1, Array.isArray(value) ? sum : sum + Buffer.byteLength(key) + 3);
  }
  return sum;
}

function tooLarge(bytesMax: number): ValidationFailure {
  const message = `What the templates put in is larger than ${bytesMax} bytes.`;
  return new ValidationFailure([{ path: "$", code: "rendered_too_large", message }]);
}

function tooDeep(): ValidationFailure {
  const message = `What the templates put in is nested deeper than ${limits.documentDepthMax}.`;
  return new ValidationFailure([{ path: "$", code: "rendered_too_deep", message }]);
}

/**
 * Every problem of the templates in a JSON value, at most `issuesMax`.
 * @param path Where the value stands in its document, e.g. `$.steps[0].parameters`.
 * @param roots The names a path may begin with; any when left out.
 */
export function templateIssues(value: Json, path: string, roots?: ReadonlySet<string>): Issue[] {
  const issues: Issue[] = [];
  eachTemplate(value, path, (text, where) => {
    try {
      for (const part of parseTemplate(text).parts) {
        if (typeof part === "object" && roots && !roots.has(String(part[0])))
          issues.push(unknownRoot(part, where, roots));
      }
    } catch (error) {
      if (!(error instanceof ExpressionSyntaxError)) throw error;
      issues.push({
        path: where,
        code: "template_syntax",
        message: `${error.message} (character ${error.offset + 1})`,
      });
    }
    return issues.length < limits.issuesMax;
  });
  return issues.slice(0, limits.issuesMax);
}

/** The issue of a path that begins with a name no scope has. */
export function unknownRoot(path: Path, where: string, roots: ReadonlySet<string>): Issue {
  const message = `"${path[0]}" is not known here: a path begins with one of ${[...roots].join(", ")}.`;
  return { path: where, code: "unknown_root", message };
}

/** Every path that the templates of a JSON value use, in their order, repeated ones too. Texts that can't be read have none. */
export function templatePaths(value: Json): Path[] {
  const paths: Path[] = [];
  eachTemplate(value, "$", (text) => {
    try {
      paths.push(...parseTemplate(text).parts.filter((part) => typeof part === "object"));
    } catch (error) {
      if (!(error instanceof ExpressionSyntaxError)) throw error;
    }
    return true;
  });
  return paths;
}

/** Visits the texts with templates until `visit` answers false. Keeps its own stack: the value may be of any depth. */
function eachTemplate(value: Json, path: string, visit: (text: string, path: string) => boolean): void {
  const waiting: { value: Json; path: string }[] = [{ value, path }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { value: current, path: where } = next;
    if (typeof current === "string") {
      if (isTemplate(current) && !visit(current, where)) return;
    } else if (typeof current === "object" && current !== null) {
      const inner = Object.entries(current).map(([key, item]: [string, Json]) => ({
        value: item,
        path: childPath(where, Array.isArray(current) ? Number(key) : key),
      }));
      for (let i = inner.length - 1; i >= 0; i--) waiting.push(inner[i]!);
    }
  }
}
