/**
 * Does work that yields now and then without holding up the process: at once where it is done within `sliceMs`, else on in further
 * turns of the event loop.
 */
export function sliced<Result>(work: Generator<void, Result>, sliceMs: number): Result | Promise<Result> {
  const first = slice(work, sliceMs);
  return first.done ? first.value : inTurns(work, sliceMs);
}

/** Work on many things that yields after each. */
export function* visitEach<Item>(items: Iterable<Item>, visit: (item: Item) => unknown): Generator<void, void> {
  for (const item of items) {
    visit(item);
    yield;
  }
}

async function inTurns<Result>(work: Generator<void, Result>, sliceMs: number): Promise<Result> {
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    const next = slice(work, sliceMs);
    if (next.done) return next.value;
  }
}

function slice<Result>(work: Generator<void, Result>, sliceMs: number): IteratorResult<void, Result> {
  const until = performance.now() + sliceMs;
  for (;;) {
    const next = work.next();
    if (next.done || performance.now() >= until) return next;
  }
}
