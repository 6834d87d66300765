import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  BadInputError,
  ConflictFailure,
  ForbiddenError,
  NotFoundFailure,
  StateFailure,
  UnauthenticatedError,
  ValidationFailure,
} from "../../src/core/failures.ts";
import { limits } from "../../src/core/limits.ts";
import type { PostHandler } from "../../src/graphql/posts.ts";
import { openToyEdge, type ToyEdge } from "./toy-edge.ts";

let handler: PostHandler;
const posts = { "/things": ((post) => handler(post)) as PostHandler };
const echo: PostHandler = async ({ authorization, headers, body }) => ({
  status: 202,
  body: { authorization, type: headers["content-type"], body: body.toString() },
  headers: { "x-thing": "yes" },
});

let edge: ToyEdge;
let listed: ToyEdge;
beforeAll(async () => {
  edge = await openToyEdge({ posts });
  listed = await openToyEdge({ posts, allowedOrigins: ["https://console.example"] });
});
afterAll(async () => {
  await edge.close();
  await listed.close();
});

function send(init: RequestInit, { port } = edge): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/things?x=1`, { method: "POST", ...init });
}

async function answerTo(init: RequestInit, to = edge) {
  const response = await send(init, to);
  return [response.status, await response.json()];
}

describe("a room's own path", () => {
  test("is handed the POST as it came", async () => {
    handler = echo;
    const response = await send({ headers: { "content-type": "text/x", authorization: "Bearer t" }, body: "abc" });
    expect([response.status, response.headers.get("x-thing")]).toEqual([202, "yes"]);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({ authorization: "Bearer t", type: "text/x", body: "abc" });
  });

  test.each(["GET", "PUT", "DELETE"])("takes no %s", async (method) => {
    const response = await send({ method });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
    expect(await response.json()).toMatchObject({ code: "method_not_allowed" });
  });

  test("tells a page of a listed origin what it may do, and refuses any other", async () => {
    handler = echo;
    const origin = { origin: "https://console.example" };
    const asked = await send({ method: "OPTIONS", headers: origin }, listed);
    expect([asked.status, asked.headers.get("access-control-allow-origin")]).toEqual([204, "https://console.example"]);
    expect((await send({ headers: origin }, listed)).status).toBe(202);
    expect(await answerTo({ headers: origin })).toEqual([403, expect.objectContaining({ code: "forbidden_origin" })]);
  });

  test("is not there beside itself", async () => {
    expect((await fetch(`http://127.0.0.1:${edge.port}/things/1`, { method: "POST" })).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${edge.port}/toString`, { method: "POST" })).status).toBe(404);
  });

  test("takes no body that is larger than any may be, or compressed", async () => {
    handler = echo;
    const body = Buffer.alloc(limits.requestBodyBytesMax + 1, 32);
    expect(await answerTo({ body })).toEqual([413, expect.objectContaining({ code: "request_too_large" })]);
    expect(await answerTo({ headers: { "content-encoding": "gzip" }, body: "x" })).toEqual([
      415,
      expect.objectContaining({ code: "unsupported_media_type" }),
    ]);
  });

  test("is not asked when the client goes away in the middle of its body", async () => {
    let isAsked = false;
    handler = async () => {
      isAsked = true;
      return { status: 200, body: {} };
    };
    edge.toy.logged.length = 0;
    const socket = connect(edge.port, "127.0.0.1");
    socket.write("POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", () => socket.destroy());
    await expect.poll(() => edge.toy.logged.join()).toContain("edge.client_gone");
    expect(isAsked).toBe(false);
  });
});

describe("what a room's path throws", () => {
  const issues = [{ path: "$.a", code: "wrong", message: "It is wrong." }];
  test.each([
    [new UnauthenticatedError("Sign in."), 401, { code: "unauthenticated", message: "Sign in." }],
    [new ForbiddenError("No."), 403, { code: "forbidden", message: "No." }],
    [new BadInputError("No JSON."), 400, { code: "bad_request", message: "No JSON." }],
    [new NotFoundFailure("Gone."), 404, { code: "not_found", message: "Gone." }],
    [new ConflictFailure("thing_conflict", "Other."), 409, { code: "thing_conflict", message: "Other." }],
    [new StateFailure("disabled", "Off."), 409, { code: "disabled", message: "Off." }],
    [new StateFailure("unavailable", "Later."), 503, { code: "unavailable", message: "Later." }],
    [new ValidationFailure(issues), 422, { code: "invalid_input", message: "$.a: It is wrong.", issues }],
  ])("%s is told as %s", async (error, status, body) => {
    handler = async () => {
      throw error;
    };
    const response = await send({ body: "{}" });
    expect([response.status, await response.json()]).toEqual([status, body]);
    if (status === 401) expect(response.headers.get("www-authenticate")).toBe("Bearer");
  });

  test("is masked when it is a bug, and told as unavailable when the database is away", async () => {
    handler = async () => {
      throw new Error("a secret");
    };
    const [status, body] = await answerTo({ body: "{}" });
    expect(status).toBe(500);
    expect(body).toEqual({ code: "internal", message: expect.stringMatching(/^Internal error; quote [\w-]+\.$/) });
    handler = async () => {
      throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED", syscall: "connect" });
    };
    expect(await answerTo({ body: "{}" })).toEqual([503, expect.objectContaining({ code: "unavailable" })]);
  });
});

describe("an edge that stops", () => {
  test("answers the POST under way, and refuses the next as unavailable", async () => {
    let finish: (() => void) | undefined;
    handler = async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return { status: 202, body: {} };
    };
    const stopping = await openToyEdge({ posts });
    // Opened before it stops, since a new one is not taken after that.
    const socket = connect(stopping.port, "127.0.0.1");
    await new Promise<void>((resolve) => socket.once("connect", resolve));
    const underWay = send({ body: "{}" }, stopping);
    await expect.poll(() => finish).toBeDefined();
    const refused = stopping.refuseNewWork();
    let text = "";
    socket.on("data", (data) => {
      text += String(data);
    });
    socket.write("POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    await expect.poll(() => text).toMatch(/^HTTP\/1.1 503 .*"code":"unavailable"/s);
    finish?.();
    expect((await underWay).status).toBe(202);
    await refused;
    await stopping.close();
    socket.destroy();
  });
});

describe("a download", () => {
  test("ends when its token is no longer valid, whether or not its reader goes on, and is never taken for the whole", async () => {
    let isOver = false;
    async function* chunks() {
      try {
        for (;;) yield "x".repeat(65_536);
      } finally {
        isOver = true;
      }
    }
    const all = { open: async () => ({ contentType: "text/plain", fileName: "all.txt", chunks: chunks() }) };
    const downloads = await openToyEdge({ posts: { "/all": all }, times: { authorisationMs: 20 } });
    const response = await fetch(`http://127.0.0.1:${downloads.port}/all`, {
      headers: { authorization: "Bearer good" },
    });
    const reader = response.body!.getReader();
    expect((await reader.read()).done).toBe(false);
    expect(isOver).toBe(false);
    downloads.toy.validTokens.clear();
    await expect.poll(() => isOver).toBe(true);
    const rest = async () => {
      while (!(await reader.read()).done);
    };
    await expect(rest()).rejects.toThrow();
    await downloads.close();
  });
});
