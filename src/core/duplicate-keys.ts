const token = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g;

/**
 * Whether a name stands twice in one object of a JSON text, however it is escaped: readers disagree about which of the two counts.
 * Linear in the text, which is to be JSON; of other texts the answer means nothing.
 */
export function hasDuplicateKeys(json: string): boolean {
  // Of each open bracket, the names so far: an object's; undefined for a list.
  const open: (Set<string> | undefined)[] = [];
  let text: string | undefined;
  for (const [part] of json.matchAll(token)) {
    if (part === "{") open.push(new Set());
    else if (part === "[") open.push(undefined);
    else if (part === "}" || part === "]") open.pop();
    else if (part === ":") {
      const names = open.at(-1);
      if (text === undefined || !names) continue;
      const name = JSON.parse(text) as string;
      if (names.has(name)) return true;
      names.add(name);
    }
    text = part.startsWith('"') ? part : undefined;
  }
  return false;
}
