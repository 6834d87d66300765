/** Tells the agent's user what happens: one line each, with the time. No argument, result or credential is ever in it. */
export type Say = (text: string) => void;

/** Lines on stderr. */
export const sayOnStderr: Say = (text) => {
  process.stderr.write(`${new Date().toISOString()} ${text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ")}\n`);
};
