/**
 * An async generator that can be ended while it waits: `return()` aborts the signal first, so that what it awaits lets go, where a plain
 * generator would only notice at its next event.
 */
export function abortable<T>(generate: (signal: AbortSignal) => AsyncGenerator<T>): AsyncIterableIterator<T> {
  const controller = new AbortController();
  const generator = generate(controller.signal);
  const stream: AsyncIterableIterator<T> = {
    [Symbol.asyncIterator]: () => stream,
    next: () => generator.next(),
    return: () => {
      controller.abort();
      return generator.return(undefined);
    },
  };
  return stream;
}
