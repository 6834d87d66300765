/** The row's own id of an opaque one, which is `Type:id` in base64; undefined where the text is no id of this type. Callers answer that as "not found". */
export function localId(type: string, id: string): string | undefined {
  const text = Buffer.from(id, "base64").toString();
  return text.startsWith(`${type}:`) ? text.slice(type.length + 1) : undefined;
}

/** The opaque id of a row, as GraphQL answers it; the inverse of {@link localId}. */
export function globalId(type: string, id: string): string {
  return Buffer.from(`${type}:${id}`).toString("base64");
}
