import type { Path } from "./paths.ts";

/** What templates and expressions can see: finding, scan, asset, trigger, steps, parameters, env, run, now. A root that a run has not is left out. */
export type Scope = Readonly<Record<string, unknown>>;

/** The names a path may begin with. */
export const scopeRoots: ReadonlySet<string> = new Set([
  "finding",
  "scan",
  "asset",
  "trigger",
  "steps",
  "parameters",
  "env",
  "run",
  "now",
]);

/**
 * The value at a path, or undefined where there is none. Reads own data properties of plain objects and lists only:
 * nothing inherited, no getter is run, and functions, symbols and instances of classes are not there.
 */
export function lookUp(scope: Scope, path: Path): unknown {
  let value: unknown = scope;
  for (const segment of path) {
    if (typeof value !== "object" || value === null || !isPlain(value)) return undefined;
    value = Object.getOwnPropertyDescriptor(value, segment)?.value;
  }
  return isData(value) ? value : undefined;
}

/**
 * The roots that an event gives: `trigger` is its data, whose object is also `trigger.alert` and stands under its own kind
 * (`trigger.finding`); `finding` and `scan` are roots of their own; `asset` is the event's own, or the finding's.
 * @param event The type, e.g. `finding.new`, and the data, e.g. `{ finding: {…}, asset: {…} }` or the finding's fields themselves.
 */
export function eventScope(event: { readonly type: string; readonly data: unknown }): Scope {
  const data = plainRecord(event.data) ?? {};
  const kind = kindOf(event.type, data);
  const object = (kind && data[kind]) ?? data;
  const roots: Record<string, unknown> = { trigger: { alert: object, ...(kind && { [kind]: object }), ...data } };
  const finding = data["finding"] ?? (kind === "finding" ? object : undefined);
  const scan = data["scan"] ?? (kind === "scan" ? object : undefined);
  const asset = data["asset"] ?? plainRecord(finding)?.["asset"];
  if (finding !== undefined) roots["finding"] = finding;
  if (scan !== undefined) roots["scan"] = scan;
  if (asset !== undefined) roots["asset"] = asset;
  return roots;
}

/** finding, scan or action by the event's type; for a run that was started by hand, what the caller's context holds. */
function kindOf(type: string, data: Readonly<Record<string, unknown>>): string | undefined {
  const [named = ""] = type.split(".", 1);
  if (named === "finding" || named === "scan" || named === "action") return named;
  return ["alert", "finding", "scan", "asset"].find((kind) => plainRecord(data[kind]));
}

/** The value as a copy of its own data properties, or undefined for what is no object. */
function plainRecord(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !isPlain(value)) return undefined;
  // No prototype: a lookup by a name such as "constructor" must find nothing.
  const copy: Record<string, unknown> = Object.create(null);
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
    if (property.enumerable && isData(property.value)) copy[key] = property.value;
  }
  return copy;
}

function isData(value: unknown): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "object":
      return value === null || isPlain(value);
    default:
      return false;
  }
}

/** True for lists, and for objects whose prototype is none or the root of a realm: instances of classes are further down. */
function isPlain(value: object): boolean {
  if (Array.isArray(value)) return true;
  const prototype: object | null = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
