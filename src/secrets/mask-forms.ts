import { limits } from "../core/limits.ts";

/**
 * The texts by which a secret may leave: plain, reversed, hex, base64 in all three alignments (of UTF-8, and of UTF-16 as PowerShell has it),
 * URL-encoded, JSON-escaped, HTML-escaped, as shells quote it, and as it reads in a wrong charset.
 * @param values Plain values of at least `limits.maskedLengthMin` characters.
 * @returns Distinct literals, longest first, none longer than `limits.maskedPieceLengthMax`: longer ones are cut into pieces.
 */
export function maskedLiterals(values: Iterable<string>): string[] {
  const literals = new Set<string>();
  for (const value of values) {
    for (const form of formsOf(value)) addPieces(literals, form);
    for (const line of linesOf(value)) for (const form of shortFormsOf(line)) addPieces(literals, form);
  }
  return [...literals].sort((a, b) => b.length - a.length);
}

function formsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  const hex = bytes.toString("hex");
  return [
    ...shortFormsOf(value),
    hex,
    hex.toUpperCase(),
    hex.replace(/../g, "%$&"),
    hex.toUpperCase().replace(/../g, "%$&"),
    ...wrapped(hex, [hexColumns]),
    ...base64Forms(bytes),
    ...base64Forms(Buffer.from(value, "utf16le")),
  ];
}

/** What a single line of a secret is masked in: its other encodings would not be made line by line. */
function shortFormsOf(value: string): string[] {
  const reversed = [...value].reverse().join("");
  const escapedForms = [...jsonForms(value), ...urlForms(value), ...htmlForms(value), ...shellForms(value)];
  return [value, reversed, ...escapedForms, ...charsetForms(value)];
}

/** What `xxd -p` writes on a line. */
const hexColumns = 60;
/** What PEM and MIME have on a line of base64. */
const base64Columns = [64, 76];

/** JSON as different writers escape it: plainly, ASCII only, with `\/`, safe for HTML, and as JSON within JSON. */
function jsonForms(value: string): string[] {
  const plain = escaped(value.toWellFormed());
  const ascii = plain.replace(/[\u007f-\uffff]/g, unicodeEscape);
  const html = plain.replace(/[<>&]/g, unicodeEscape);
  return [plain, ascii, html, plain.replaceAll("/", "\\/"), escaped(plain), escaped(ascii)];
}

function escaped(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Percent-encoding as different writers do it; each with upper-case and lower-case hex. */
function urlForms(value: string): string[] {
  const component = encodeURIComponent(value.toWellFormed());
  const strict = component.replace(/[!'()*]/g, percent);
  const form = component.replace(/[!'()~]/g, percent);
  const forms = [component, strict, form, encodeURI(value.toWellFormed())];
  const withPlus = forms.map((text) => text.replaceAll("%20", "+"));
  const withSlash = [component, strict].map((text) => text.replaceAll("%2F", "/"));
  const upper = [...forms, ...withPlus, ...withSlash, encodeURIComponent(component)];
  return [...upper, ...upper.map((text) => text.replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase()))];
}

/** As who takes it for another charset shows it: UTF-8 as Latin-1, and what ASCII does not have, by character or by byte, as `?` or U+FFFD. */
function charsetForms(value: string): string[] {
  const others = /[^\p{ASCII}]/gu;
  if (!others.test(value)) return [];
  const marks = ["?", "\ufffd"];
  const byCharacter = marks.map((mark) => value.replace(others, mark));
  const byByte = marks.map((mark) => value.replace(others, (character) => mark.repeat(Buffer.byteLength(character))));
  return [Buffer.from(value).toString("latin1"), ...byCharacter, ...byByte];
}

/** As pages of errors show it: each writer has its own entities for quotes. */
function htmlForms(value: string): string[] {
  if (!/[&<>"']/.test(value)) return [];
  const plain = value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const quotes = [
    ...[["&quot;", "'"] as const, ["&quot;", "&#39;"] as const, ["&quot;", "&#039;"] as const],
    ...[["&quot;", "&#x27;"] as const, ["&quot;", "&apos;"] as const, ["&#34;", "&#39;"] as const],
  ];
  return [plain, ...quotes.map(([double, single]) => plain.replaceAll('"', double).replaceAll("'", single))];
}

/** As `set -x` of bash and of dash shows it (`shlex.quote` as well), `printf %q`, and `$'…'`, which is Python's repr too. */
function shellForms(value: string): string[] {
  if (/^[\w.:/@%+=~-]*$/.test(value)) return [];
  const inQuotes = ["'\\''", `'"'"'`].map((quote) => value.replaceAll("'", quote));
  const backslashed = value.replace(/[ '"\\|&;()<>!{}*[\]?^$`,]/g, "\\$&");
  const controls: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  const ansi = value.replace(/[\\']/g, "\\$&").replace(/[\n\r\t]/g, (character) => controls[character] ?? character);
  return [...inQuotes, backslashed, ansi];
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * Base64 of the value alone, and what stays the same of it at each alignment within a longer text: the characters that hold bits of
 * the value only. Line-wrapped output (64 and 76 columns) is covered by its lines.
 */
function base64Forms(bytes: Buffer): string[] {
  const alone = bytes.toString("base64");
  const forms = [alone, alone.replace(/=+$/, "")];
  for (const offset of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    const first = Math.ceil((offset * 8) / 6);
    const end = Math.floor(((offset + bytes.length) * 8) / 6);
    forms.push(text.slice(first, end));
  }
  forms.push(...wrapped(alone, base64Columns));
  const kept = forms.filter((form) => form.length >= limits.maskedLengthMin);
  return [...kept, ...kept.map((form) => form.replaceAll("+", "-").replaceAll("/", "_"))];
}

/** The lines of an encoded text that is wrapped. */
function wrapped(text: string, columns: readonly number[]): string[] {
  return columns.flatMap((length) => (text.length > length ? chunksOf(text, length) : []));
}

function chunksOf(text: string, length: number): string[] {
  const chunks: string[] = [];
  for (let start = 0; start < text.length; start += length) chunks.push(text.slice(start, start + length));
  return chunks.filter((chunk) => chunk.length >= limits.maskedLineLengthMin);
}

function linesOf(value: string): string[] {
  if (!/[\r\n]/.test(value)) return [];
  return value
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line.length >= limits.maskedLineLengthMin);
}

function addPieces(literals: Set<string>, form: string): void {
  const length = limits.maskedPieceLengthMax;
  if (form.length <= length) {
    literals.add(form);
    return;
  }
  for (let start = 0; start + length < form.length; start += length) literals.add(form.slice(start, start + length));
  literals.add(form.slice(-length));
}
