/** Does what has the same key one after the other, in the order in which it came; what has another key goes on beside. */
export function createOneByOne(): <Result>(key: string, work: () => Promise<Result>) => Promise<Result> {
  const last = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const own = (last.get(key) ?? Promise.resolve()).then(work);
    const settled = own
      .catch(() => undefined)
      .then(() => {
        if (last.get(key) === settled) last.delete(key);
      });
    last.set(key, settled);
    return own;
  };
}
