/** Whether objects and lists stand inside each other deeper than so many levels. Without recursion: the value may be deeper than the stack. */
export function isNestedDeeper(value: unknown, levelsMax: number): boolean {
  let level: object[] = isContainer(value) ? [value] : [];
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > levelsMax) return true;
    const next: object[] = [];
    for (const container of level)
      for (const inner of Object.values(container)) if (isContainer(inner)) next.push(inner);
    level = next;
  }
  return false;
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
