/** The opaque id of a row: its type and its own id, in base64, as Pothos' relay plugin writes it. */
export function globalId(type: string, id: string): string {
  return Buffer.from(`${type}:${id}`).toString("base64");
}

/** The row's own id; undefined where the text is no id of this type, which callers answer as "not found". */
export function localId(type: string, id: string): string | undefined {
  const text = Buffer.from(id, "base64").toString();
  return text.startsWith(`${type}:`) ? text.slice(type.length + 1) : undefined;
}
