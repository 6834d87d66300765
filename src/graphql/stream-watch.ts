import { type ExecutionResult, GraphQLError } from "graphql";
import { limits } from "../core/limits.ts";
import type { MaskError } from "./errors.ts";

type Results = AsyncIterableIterator<ExecutionResult>;

/** Looks again and again at the tokens behind open streams and sockets, and ends those of a token that is no longer valid. */
export interface StreamWatch {
  /** The same results; ended with an UNAUTHENTICATED error once the caller's token is no longer valid. */
  guard(caller: { readonly authorization: string | undefined }, results: Results): Results;
  /** Calls `end`, once, when that token is no longer valid. @returns What undoes this. */
  whenEnded(authorization: string, end: () => void): () => void;
  stop(): void;
}

/** `isValid` asks about one `Authorization` header; where it throws (no database), the streams stay open until it answers. */
export function watchStreams(
  isValid: (authorization: string) => Promise<boolean>,
  everyMs: number = limits.streamAuthorisationMs,
): StreamWatch {
  const open = new Map<string, Set<() => void>>();
  const look = async (authorization: string, ends: ReadonlySet<() => void>): Promise<void> => {
    if (await isValid(authorization).catch(() => true)) return;
    for (const end of [...ends]) end();
  };
  const underWay = new Set<string>();
  const timer = setInterval(() => {
    // All at once, since they are then looked up together; who is slow to be answered for is not asked about twice.
    for (const [authorization, ends] of open) {
      if (underWay.has(authorization)) continue;
      underWay.add(authorization);
      void look(authorization, ends).finally(() => underWay.delete(authorization));
    }
  }, everyMs);
  timer.unref();
  const whenEnded = (authorization: string, end: () => void) => {
    const ends = open.get(authorization) ?? new Set();
    open.set(authorization, ends);
    ends.add(end);
    return () => {
      ends.delete(end);
      if (ends.size === 0 && open.get(authorization) === ends) open.delete(authorization);
    };
  };
  return {
    guard({ authorization }, results) {
      if (authorization === undefined) return results;
      let unwatch: (() => void) | undefined;
      const { stream, end } = endable(results, () => unwatch?.());
      unwatch = whenEnded(authorization, end);
      return stream;
    },
    whenEnded,
    stop: () => clearInterval(timer),
  };
}

const signedOut: ExecutionResult = {
  errors: [new GraphQLError("The token is no longer valid.", { extensions: { code: "UNAUTHENTICATED" } })],
};

/** A stream that can be ended from outside, even while its reader waits for the next result. */
function endable(results: Results, onEnd: () => void): { stream: Results; end: () => void } {
  let state: "open" | "ending" | "ended" = "open";
  let release: () => void = () => undefined;
  // Not Promise.race with one promise for the stream's life: that would remember every event's race until the end.
  const nextOrReleased = () =>
    new Promise<IteratorResult<ExecutionResult> | undefined>((resolve, reject) => {
      release = () => resolve(undefined);
      results.next().then(resolve, reject);
    });
  const close = (): IteratorReturnResult<undefined> => {
    if (state !== "ended") {
      state = "ended";
      onEnd();
    }
    return { done: true, value: undefined };
  };
  const isEnded = () => state === "ended";
  const closeSource = () => void results.return?.(undefined)?.catch(() => undefined);
  const stream: Results = {
    [Symbol.asyncIterator]: () => stream,
    async next() {
      if (state === "ended") return close();
      const next = state === "ending" ? undefined : await nextOrReleased();
      if (next) return next.done ? close() : next;
      if (isEnded()) return close();
      close();
      closeSource();
      return { done: false, value: signedOut };
    },
    async return() {
      const done = close();
      release();
      closeSource();
      return done;
    },
    async throw(error) {
      close();
      closeSource();
      throw error;
    },
  };
  const end = () => {
    if (state !== "open") return;
    state = "ending";
    release();
    // Now, and not when its reader asks again: one who has stopped reading may never do.
    closeSource();
  };
  return { stream, end };
}

/** Resolves each event of a source; a source that breaks ends the stream with its error as the last result. */
export function resolveEvents(
  source: AsyncIterable<unknown>,
  resolve: (event: unknown) => ExecutionResult | Promise<ExecutionResult>,
  mask: MaskError,
): Results {
  const events = source[Symbol.asyncIterator]();
  let isOver = false;
  const results: Results = {
    [Symbol.asyncIterator]: () => results,
    async next() {
      if (isOver) return { done: true, value: undefined };
      try {
        const event = await events.next();
        if (event.done) isOver = true;
        return event.done ? { done: true, value: undefined } : { done: false, value: await resolve(event.value) };
      } catch (error) {
        isOver = true;
        return { done: false, value: { errors: [mask(error)] } };
      }
    },
    async return() {
      isOver = true;
      await events.return?.();
      return { done: true, value: undefined };
    },
    async throw(error) {
      isOver = true;
      await events.return?.();
      throw error;
    },
  };
  return results;
}
