import { styleText } from "node:util";

/** An expected end of the example: the message says what to do, and there is no stack. */
export class ExampleError extends Error {
  override readonly name = "ExampleError";
}

type Style = Parameters<typeof styleText>[0];

function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

export const dim = (text: string): string => styled("dim", text);
export const bold = (text: string): string => styled("bold", text);
export const green = (text: string): string => styled("green", text);
export const red = (text: string): string => styled("red", text);
export const yellow = (text: string): string => styled("yellow", text);

/** One line on stdout. */
export function say(text = ""): void {
  process.stdout.write(`${text}\n`);
}

/** `12 ms`, `3.4 s` */
export function duration(milliseconds: number): string {
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`;
}

/** The JSON of a value, cut to what a line of a terminal shows. */
export function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.length > 90 ? `${text.slice(0, 90)}…` : text;
}
