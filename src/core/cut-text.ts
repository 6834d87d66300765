/** The text where it has at most so many characters; else its beginning, with … for the rest. No character is cut in half. */
export function cutText(text: string, lengthMax: number): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax - 1).toWellFormed()}…` : text;
}
