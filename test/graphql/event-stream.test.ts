import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openToyEdge, type ToyEdge } from "./toy-edge.ts";

let edge: ToyEdge;
beforeAll(async () => {
  edge = await openToyEdge({ times: { authorisationMs: 20 } });
});
afterAll(() => edge.close());
beforeEach(() => {
  edge.toy.contexts.length = 0;
  edge.toy.boom = () => "quiet";
  edge.toy.ticks = async function* () {
    yield { cursor: "c1", text: "one" };
    yield { cursor: "c2", text: "two" };
  };
});

function open(
  query: string,
  headers: Record<string, string> = {},
  signal: AbortSignal | null = null,
): Promise<Response> {
  return fetch(edge.url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream", ...headers },
    body: JSON.stringify({ query }),
    signal,
  });
}

async function eventsOf(response: Response): Promise<string[]> {
  return (await response.text()).split("\n\n").filter((event) => event !== "" && event !== ":");
}

const ticks = "subscription { ticks { cursor text } }";

describe("a subscription over SSE", () => {
  test("sends each result with its cursor as id, then complete", async () => {
    const response = await open(ticks);
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    expect(await eventsOf(response)).toEqual([
      'id: c1\nevent: next\ndata: {"data":{"ticks":{"cursor":"c1","text":"one"}}}',
      'id: c2\nevent: next\ndata: {"data":{"ticks":{"cursor":"c2","text":"two"}}}',
      "event: complete\ndata:",
    ]);
  });

  test("is opened by GET as an EventSource does it, and by any Accept that allows it", async () => {
    const url = `${edge.url}?query=${encodeURIComponent(ticks)}`;
    expect(await eventsOf(await fetch(url, { headers: { accept: "text/event-stream" } }))).toHaveLength(3);
    expect(await eventsOf(await fetch(url))).toHaveLength(3);
  });

  test("is refused where the client takes only JSON", async () => {
    expect((await open(ticks, { accept: "application/json" })).status).toBe(406);
  });

  test("hears from the context where the client was, by Last-Event-ID", async () => {
    await eventsOf(await open(ticks, { "last-event-id": "c1" }));
    expect(edge.toy.contexts[0]?.lastEventId).toBe("c1");
    await eventsOf(await open(ticks));
    expect(edge.toy.contexts.at(-1)?.lastEventId).toBeUndefined();
  });

  test("has no id where the cursor was not asked for, or would break the frame", async () => {
    expect((await eventsOf(await open("subscription { ticks { text } }")))[0]).toMatch(/^event: next/);
    edge.toy.ticks = async function* () {
      yield { cursor: "c1\nevent: forged", text: "one" };
    };
    expect((await eventsOf(await open(ticks)))[0]).toMatch(/^event: next/);
  });

  test("ends with a masked error when its source breaks, after what came before", async () => {
    edge.toy.ticks = async function* () {
      yield { cursor: "c1", text: "one" };
      throw new Error("select secret");
    };
    const events = await eventsOf(await open(ticks));
    expect(events).toHaveLength(3);
    expect(events[1]).toContain('"code":"INTERNAL"');
    expect(events.join()).not.toContain("select secret");
  });

  test("tells an error of its document as an event", async () => {
    const events = await eventsOf(await open("subscription { nope }"));
    expect(events).toEqual([expect.stringContaining("GRAPHQL_VALIDATION_FAILED"), "event: complete\ndata:"]);
    expect(events[0]).not.toContain('"http"');
  });

  test("resolves each event in a context of its own", async () => {
    const seen = new Set<unknown>();
    edge.toy.boom = (context) => {
      seen.add(context);
      return "x";
    };
    await eventsOf(await open("subscription { ticks { boom } }"));
    expect(seen.size).toBe(2);
  });

  test("ends its source when the client goes away", async () => {
    const ended = Promise.withResolvers<void>();
    edge.toy.ticks = () => endless(() => ended.resolve());
    const leaving = new AbortController();
    const response = await open(ticks, {}, leaving.signal);
    await response.body?.getReader().read();
    leaving.abort();
    await ended.promise;
  });

  test("asks its source for no more than the client takes", async () => {
    const asked = { count: 0 };
    edge.toy.ticks = () =>
      endless(
        () => undefined,
        () => {
          asked.count++;
          return { cursor: `c${asked.count}`, text: "x".repeat(64 * 1024) };
        },
      );
    const leaving = new AbortController();
    const response = await open(ticks, {}, leaving.signal);
    await response.body?.getReader().read();
    let before = -1;
    while (before !== asked.count) {
      before = asked.count;
      await delay(100);
    }
    expect(asked.count).toBeLessThan(1_000);
    leaving.abort();
  });

  test("ends with UNAUTHENTICATED once its token is revoked", async () => {
    edge.toy.validTokens.add("Bearer soon-revoked");
    const ended = Promise.withResolvers<void>();
    edge.toy.ticks = () => endless(() => ended.resolve());
    const response = await open(ticks, { authorization: "Bearer soon-revoked" });
    const reader = response.body?.getReader();
    await reader?.read();
    edge.toy.validTokens.delete("Bearer soon-revoked");
    const decoder = new TextDecoder();
    let text = "";
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read())
      text += decoder.decode(part.value);
    expect(text).toContain("UNAUTHENTICATED");
    expect(text).toMatch(/event: complete\ndata:\n\n$/);
    await ended.promise;
  });
});

describe("a query that asks for an event stream", () => {
  test("gets its one result as an event", async () => {
    expect(await eventsOf(await open("{ hello }"))).toEqual([
      'event: next\ndata: {"data":{"hello":"Hello undefined"}}',
      "event: complete\ndata:",
    ]);
  });
});

/** A source that says nothing after its first event, unless it has more to say. */
function endless(onEnd: () => void, more?: () => unknown): AsyncIterableIterator<unknown> {
  let isFirst = true;
  const source: AsyncIterableIterator<unknown> = {
    [Symbol.asyncIterator]: () => source,
    next: async () => {
      if (more) return { done: false, value: more() };
      if (!isFirst) return new Promise(() => undefined);
      isFirst = false;
      return { done: false, value: { cursor: "c1", text: "one" } };
    },
    return: async () => {
      onEnd();
      return { done: true, value: undefined };
    },
  };
  return source;
}
