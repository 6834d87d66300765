import type { Json } from "../core/json.ts";

/** Says why a value is no plain JSON. */
export class NotPlainJson extends Error {
  override readonly name = "NotPlainJson";
}

interface Bounds {
  readonly depthMax: number;
  readonly bytesMax: number;
}

/**
 * The JSON text of a value that somebody else made. Fields that are undefined are left out.
 * @throws NotPlainJson for what JSON can't say: functions, numbers without end, objects with a prototype of their own, values that hold
 * themselves; and for what is beyond the bounds. What a getter throws.
 */
export function plainJsonText(value: unknown, { depthMax, bytesMax }: Bounds): string {
  let valuesLeft = bytesMax;
  const copy = (inner: unknown, where: string, depth: number): Json => {
    valuesLeft -= 1;
    if (valuesLeft < 0) throw new NotPlainJson(`It has more than ${bytesMax} values.`);
    if (depth > depthMax) throw new NotPlainJson(`It is nested deeper than ${depthMax} levels, or holds itself.`);
    if (inner === null || typeof inner === "string" || typeof inner === "boolean") return inner;
    if (typeof inner === "number") {
      if (!Number.isFinite(inner)) throw new NotPlainJson(`${where} is ${inner}, which JSON can't say.`);
      return inner;
    }
    if (typeof inner !== "object") throw new NotPlainJson(`${where} is ${article(typeof inner)}.`);
    if (Array.isArray(inner)) return Array.from(inner, (item, index) => copy(item, `${where}[${index}]`, depth + 1));
    if (!isPlain(inner)) throw new NotPlainJson(`${where} is no plain object: it has a prototype of its own.`);
    const fields = Object.entries(inner).filter(([, field]) => field !== undefined);
    return Object.fromEntries(fields.map(([name, field]) => [name, copy(field, childOf(where, name), depth + 1)]));
  };
  const text = JSON.stringify(copy(value, "$", 1));
  const size = Buffer.byteLength(text);
  if (size > bytesMax) throw new NotPlainJson(`It has ${size} bytes; at most ${bytesMax} are taken.`);
  return text;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function childOf(where: string, name: string): string {
  return where.length > 200 ? where : `${where}.${name.slice(0, 100)}`;
}

function article(type: string): string {
  return type === "undefined" ? "undefined" : `a ${type}`;
}
