import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { connect as connectSocket } from "./raw-socket.ts";
import { openToyEdge, type ToyEdge } from "./toy-edge.ts";

let edge: ToyEdge;
let listed: ToyEdge;
beforeAll(async () => {
  edge = await openToyEdge();
  listed = await openToyEdge({ allowedOrigins: ["https://console.example"] });
});
afterAll(async () => {
  await edge.close();
  await listed.close();
});

const mutation = JSON.stringify({ query: "mutation { change }" });

function send(init: RequestInit, url = edge.url): Promise<Response> {
  return fetch(url, { method: "POST", ...init });
}

async function codeOf(response: Response): Promise<unknown> {
  const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] };
  return errors[0]?.extensions.code;
}

describe("a mutation", () => {
  test.each(["application/json", "application/json; charset=utf-8", "application/graphql+json"])(
    "is taken as %s",
    async (type) => {
      const response = await send({ headers: { "content-type": type }, body: mutation });
      expect(await response.json()).toEqual({ data: { change: "changed" } });
    },
  );

  test.each([
    "text/plain",
    "text/plain; application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/graphql",
  ])("is refused as %s, which a form of any page can send", async (type) => {
    const response = await send({ headers: { "content-type": type }, body: mutation });
    expect([response.status, await codeOf(response)]).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
  });

  test("is refused without any content type", async () => {
    expect((await send({ body: new Blob([mutation]) })).status).toBe(415);
  });

  test.each(["application/json", "text/event-stream", "text/html;q=0.1, application/json"])(
    "is refused by GET with Accept %s",
    async (accept) => {
      const response = await fetch(`${edge.url}?query=${encodeURIComponent("mutation { change }")}`, {
        headers: { accept },
      });
      expect(await codeOf(response)).toBe("METHOD_NOT_ALLOWED");
      expect(response.status).toBe(405);
    },
  );

  test("by GET is refused too when a query stands beside it", async () => {
    const query = encodeURIComponent("query A { hello } mutation B { change }");
    const response = await fetch(`${edge.url}?query=${query}&operationName=B`);
    expect(response.status).toBe(405);
  });
});

describe("a query", () => {
  test("is answered by GET, with its variables", async () => {
    const query = encodeURIComponent("query ($n: String) { hello(name: $n) }");
    const response = await fetch(`${edge.url}?query=${query}&variables=${encodeURIComponent('{"n":"Ada"}')}`);
    expect(await response.json()).toEqual({ data: { hello: "Hello Ada" } });
  });

  test("is refused by PUT", async () => {
    expect((await send({ method: "PUT", body: "{}" })).status).toBe(405);
  });

  test.each([
    ["no JSON", "{"],
    ["a list of operations", '[{"query":"{ hello }"},{"query":"{ hello }"}]'],
    ["an empty list", "[]"],
    ["an empty object", "{}"],
    ["null", "null"],
    ["an empty body", ""],
    ["a query that is no text", '{"query":{}}'],
    ["variables that are no object", '{"query":"{ hello }","variables":[1]}'],
    ["an operationName that is no text", '{"query":"{ hello }","operationName":1}'],
  ])("is refused when the body is %s", async (_what, body) => {
    const response = await send({ headers: { "content-type": "application/json" }, body });
    expect([response.status, await codeOf(response)]).toEqual([400, "BAD_REQUEST"]);
  });

  test("is answered whatever the Host header says", async () => {
    const text = await raw(
      "POST /graphql HTTP/1.1\r\nHost: [::not a host\r\nContent-Type: application/json\r\nContent-Length: 21\r\nConnection: close\r\n\r\n" +
        '{"query":"{ hello }"}',
    );
    expect(text).toContain('{"data":{"hello":"Hello undefined"}}');
  });
});

describe("a body over the bound", () => {
  test("is refused by its Content-Length, before it was sent", async () => {
    const text = await raw(
      `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${limits.requestBodyBytesMax + 1}\r\n\r\n`,
      "REQUEST_TOO_LARGE",
    );
    expect(text).toMatch(/^HTTP\/1.1 413 /);
  });

  test("is refused as soon as the bound is passed, when its length was not told", async () => {
    const chunk = `10000\r\n${" ".repeat(65_536)}\r\n`;
    const socket = connect(edge.port, "127.0.0.1");
    socket.write(
      "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    const answer = once(socket, "data");
    for (let bytes = 0; bytes <= limits.requestBodyBytesMax; bytes += 65_536) socket.write(chunk);
    expect(String((await answer)[0])).toMatch(/^HTTP\/1.1 413 /);
    socket.destroy();
  });

  test("is refused with more values than can be read while others wait, whatever they are", async () => {
    const most = limits.requestValuesMax;
    const bodies = ["0,", "[],", '{"a":0},'].map((item) => `{"query":"{ hello }","x":[${item.repeat(most)}0]}`);
    for (const body of [...bodies, `{"query":"{ hello }","x":${"[".repeat(most + 1)}`]) {
      const response = await send({ headers: { "content-type": "application/json" }, body });
      expect([response.status, await codeOf(response)]).toEqual([413, "REQUEST_TOO_LARGE"]);
    }
  });

  test("is refused compressed, so that it cannot grow later", async () => {
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    expect((await send({ headers, body: "x" })).status).toBe(415);
  });
});

describe("a client that goes away", () => {
  test("in the middle of its body is no error of the server", async () => {
    edge.toy.logged.length = 0;
    const socket = connect(edge.port, "127.0.0.1");
    socket.write("POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    await once(socket, "connect");
    await delay(50);
    socket.destroy();
    await expect.poll(() => edge.toy.logged.join()).toContain("edge.client_gone");
    expect(edge.toy.logged.join()).not.toContain("edge.internal_error");
  });
});

describe("an answer", () => {
  test("is kept by no cache", async () => {
    const response = await fetch(`${edge.url}?query=${encodeURIComponent("{ hello }")}`);
    expect(response.headers.get("cache-control")).toBe("no-store");
  });
});

describe("a page of another origin", () => {
  const json = { "content-type": "application/json" };

  test.each(["https://evil.example", "null", "http://127.0.0.1:1"])("(%s) is refused", async (origin) => {
    const response = await send({ headers: { ...json, origin }, body: mutation });
    expect([response.status, await codeOf(response)]).toEqual([403, "FORBIDDEN_ORIGIN"]);
  });

  test("is refused its event stream", async () => {
    const query = encodeURIComponent("subscription { ticks { cursor } }");
    const headers = { origin: "https://evil.example", accept: "text/event-stream" };
    expect((await fetch(`${edge.url}?query=${query}`, { headers })).status).toBe(403);
  });

  test("is let in and may read the answer when it is configured", async () => {
    const origin = "https://console.example";
    const asked = await send(
      { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } },
      listed.url,
    );
    expect(asked.headers.get("access-control-allow-headers")).toContain("authorization");
    const response = await send({ headers: { ...json, origin }, body: mutation }, listed.url);
    expect(response.headers.get("access-control-allow-origin")).toBe(origin);
    expect(await response.json()).toEqual({ data: { change: "changed" } });
  });

  test("is told nothing of CORS by default", async () => {
    const response = await send({ headers: { ...json, origin: new URL(edge.url).origin }, body: mutation });
    expect(response.status).toBe(200);
    expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });
});

describe("the other routes", () => {
  const at = (path: string, init?: RequestInit) => fetch(new URL(path, edge.url), init);

  test("tell that the process lives", async () => {
    expect(await (await at("/health")).json()).toEqual({ status: "ok" });
  });

  test("tell whether the node is ready, and what is missing", async () => {
    expect((await at("/ready")).status).toBe(200);
    edge.toy.checks = { database: false };
    const response = await at("/ready");
    expect([response.status, await response.json()]).toEqual([
      503,
      { ready: false, checks: { database: false, accepting: true } },
    ]);
    edge.toy.checks = { database: true };
  });

  test("serve the schema of action definitions", async () => {
    const response = await at("/api/actions/schema");
    expect(response.headers.get("content-type")).toBe("application/schema+json");
    expect(await response.json()).toEqual({ type: "object" });
  });

  test.each(["/", "/graphql/x", "/api/actions/schema/..%2f", "/constructor", "/graphqlx"])(
    "answer %s by a small 404",
    async (path) => {
      const response = await at(path, { headers: { accept: "text/html" } });
      expect([response.status, await codeOf(response)]).toEqual([404, "NOT_FOUND"]);
    },
  );
});

describe("a server that is not quite up", () => {
  test("is alive but not ready, and answers what comes early as soon as it is", async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const early = await openToyEdge({ opened });
    const client = connect(early.port, "127.0.0.1").setEncoding("utf8");
    let heard = "";
    client.on("data", (text) => {
      heard += text;
    });
    // It says that it has the request before it looks at it.
    const headers = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${mutation.length}\r\nexpect: 100-continue`;
    client.write(`POST /graphql HTTP/1.1\r\n${headers}\r\n\r\n${mutation}`);
    await expect.poll(() => heard).toContain("100 Continue");
    const socket = connectSocket(early.wsUrl);
    const statusOf = async (path: string) => (await fetch(new URL(path, early.url))).status;
    expect([await statusOf("/health"), await statusOf("/ready")]).toEqual([200, 503]);
    expect(early.toy.contexts).toEqual([]);
    expect(heard).not.toContain("200 OK");

    open();
    await expect.poll(() => heard).toContain('{"data":{"change":"changed"}}');
    (await socket).socket.terminate();
    expect(await statusOf("/ready")).toBe(200);
    client.destroy();
    await early.close();
  });
});

describe("a server that is stopping", () => {
  test("refuses new work, answers what is under way and is not ready", async () => {
    const stopping = await openToyEdge();
    let release: (value: unknown) => void = () => undefined;
    const begun = Promise.withResolvers<void>();
    stopping.toy.boom = () => {
      begun.resolve();
      return new Promise((resolve) => {
        release = resolve;
      });
    };
    const underWay = stopping.post("{ boom }");
    await begun.promise;
    const refused = stopping.refuseNewWork();
    await expect(fetch(stopping.url)).rejects.toThrow();
    release("done");
    expect((await underWay).data).toEqual({ boom: "done" });
    await refused;
    await stopping.close();
  });
});

/** What the server writes on a connection of its own, until it ends or says `until`. */
async function raw(request: string, until?: string): Promise<string> {
  const socket = connect(edge.port, "127.0.0.1");
  socket.write(request);
  let text = "";
  for await (const chunk of socket) {
    text += chunk;
    if (until && text.includes(until)) break;
  }
  socket.destroy();
  return text;
}
