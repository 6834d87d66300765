const [quote, backslash, comma, list, object] = [...'"\\,[{'].map((mark) => mark.charCodeAt(0));

/**
 * Whether a text, if it is JSON, holds more values than may be. Told by its marks alone, in a hundredth of the time that reading it takes:
 * every object and list, and every value but the first of each, has one.
 */
export function hasMoreValues(text: string, valuesMax: number): boolean {
  let count = 0;
  let isText = false;
  for (let at = 0; at < text.length; at += 1) {
    const mark = text.charCodeAt(at);
    if (mark === quote) isText = !isText;
    else if (isText) at += mark === backslash ? 1 : 0;
    else if (mark === comma || mark === list || mark === object) {
      count += 1;
      if (count > valuesMax) return true;
    }
  }
  return false;
}
