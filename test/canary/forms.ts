import { createHash } from "node:crypto";

/** A value that stands nowhere else, the same in every run, with characters that every writer escapes in its own way. */
export function canary(name: string): string {
  return `${core(name, "head")}/+ "&<é>'=${core(name, "tail")}`;
}

/** What may stand in a header, too. */
export function plainCanary(name: string): string {
  return `${core(name, "head")}/+=${core(name, "tail")}`;
}

/** Of several lines, none of which is long. */
export function linesCanary(name: string): string {
  return [core(name, "head").slice(0, 6), core(name, "body").slice(0, 6), core(name, "tail")].join("\n");
}

function core(name: string, part: string): string {
  return createHash("sha256")
    .update(`canary ${name} ${part}`)
    .digest("base64")
    .replaceAll(/[^A-Za-z0-9]/g, "")
    .slice(0, 14);
}

/** How a value may leave: as it is, reversed, escaped, and encoded. */
export function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const json = JSON.stringify(secret).slice(1, -1);
  const component = encodeURIComponent(secret);
  return [
    ...[secret, [...secret].reverse().join("")],
    ...[json, JSON.stringify(json).slice(1, -1), json.replaceAll("é", "\\u00e9"), json.replaceAll("/", "\\/")],
    ...[component, encodeURI(secret), new URLSearchParams({ secret }).toString().slice("secret=".length)],
    component.replaceAll(/%../g, (hex) => hex.toLowerCase()),
    ...[bytes.toString("hex"), bytes.toString("hex").toUpperCase()],
    ...[0, 1, 2].flatMap((offset) => base64Of(bytes, offset)),
  ];
}

/** What of the base64 of a longer text holds bits of these bytes only, so many bytes in. */
function base64Of(bytes: Buffer, offset: number): string[] {
  const text = Buffer.concat([Buffer.alloc(offset, "x"), bytes])
    .toString("base64")
    .replace(/=+$/, "");
  const middle = text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
  return [middle, middle.replaceAll("+", "-").replaceAll("/", "_")];
}

/** The parts of a secret that tell of it by themselves, such as half of one that was cut. */
function partsOf(secret: string): readonly string[] {
  return [secret, ...secret.split(/[^A-Za-z0-9]+/).filter((part) => part.length >= 6)];
}

/** Where these secrets, or parts of them, stand in a text in any form: what stands before each, and it. */
export function leaksIn(text: string, secrets: readonly string[]): string[] {
  const forms = new Set(secrets.flatMap(partsOf).flatMap(formsOf));
  return [...forms].flatMap((form) => {
    const at = text.indexOf(form);
    return at < 0 ? [] : [text.slice(Math.max(0, at - 40), at + form.length)];
  });
}
