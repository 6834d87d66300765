import { createServer as createTcpServer } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { attempt, codeOf, listening, serve, serveRaw } from "./remote-attempt.ts";

describe("the remote executor, given a hostile answer,", () => {
  test.each<[string, (chunk: Buffer) => Buffer, string]>([
    ["a large body", (body) => body, ""],
    ["a gzip bomb", (body) => gzipSync(body), "gzip"],
    ["a brotli bomb", (body) => brotliCompressSync(body), "br"],
  ])("stops at %s", async (_name, encode, encoding) => {
    const body = encode(Buffer.alloc(4 * limits.responseBytesMax, 0x20));
    const url = await serve((_request, response) =>
      response.writeHead(200, encoding ? { "content-encoding": encoding } : {}).end(body),
    );
    expect(codeOf((await attempt({ call: { url } })).outcome)).toBe("response_too_large");
  });

  test("stops at a body that grows too much although it would fit", async () => {
    const body = gzipSync(Buffer.alloc(limits.responseBytesMax - 10, 0x20));
    const url = await serve((_request, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(body));
    expect(codeOf((await attempt({ call: { url } })).outcome)).toBe("response_too_large");
  });

  test("stops at a body that never ends", async () => {
    const url = await serveRaw((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
      const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
      const pour = (): void => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on("drain", pour);
      pour();
    });
    expect(codeOf((await attempt({ call: { url } })).outcome)).toBe("response_too_large");
  });

  test("reads a compressed answer of ordinary size", async () => {
    const url = await serve((_request, response) =>
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync('{"a":1}')),
    );
    expect((await attempt({ call: { url } })).outcome).toEqual({ status: "SUCCEEDED", output: { a: 1 } });
  });

  test("refuses layers of compression, unknown ones and broken ones", async () => {
    for (const [encoding, code] of [
      ["gzip, gzip", "unsupported_encoding"],
      ["rot13", "unsupported_encoding"],
      ["gzip", "invalid_response"],
    ]) {
      const url = await serve((_request, response) =>
        response.writeHead(200, { "content-encoding": encoding }).end("not compressed"),
      );
      expect(codeOf((await attempt({ call: { url } })).outcome)).toBe(code);
    }
  });

  test("times out on a body that drips and on headers that never end", async () => {
    const drip = await serveRaw((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");
      const timer = setInterval(() => socket.write("x"), 20);
      socket.on("close", () => clearInterval(timer));
    });
    expect((await attempt({ call: { url: drip }, timeoutMs: 300 })).outcome).toMatchObject({ status: "TIMED_OUT" });
    const continues = await serveRaw((socket) => {
      const timer = setInterval(() => socket.write("HTTP/1.1 103 Early Hints\r\n\r\n"), 20);
      socket.on("close", () => clearInterval(timer));
    });
    expect((await attempt({ call: { url: continues }, timeoutMs: 300 })).outcome).toMatchObject({
      status: "TIMED_OUT",
    });
  });

  test("stops at headers without end", async () => {
    const url = await serveRaw((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      for (let index = 0; index < 2_000; index++) socket.write(`x-${index}: ${"y".repeat(100)}\r\n`);
    });
    expect(codeOf((await attempt({ call: { url } })).outcome)).toBe("response_headers_too_large");
  });
});

describe("the remote executor, given a hostile message,", () => {
  const endless: Record<string, { readonly first: string; readonly again: string; readonly code: string }> = {
    "trailers without end": {
      first: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
      again: `x-trailer: ${"y".repeat(1_000)}\r\n`,
      code: "response_headers_too_large",
    },
    "one header without end": {
      first: "HTTP/1.1 200 OK\r\nx-long: ",
      again: "y".repeat(1_000),
      code: "response_headers_too_large",
    },
    "a status line without end": { first: "HTTP/1.1 200 ", again: "y".repeat(1_000), code: "TIMED_OUT" },
    "extensions of chunks without end": {
      first: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;",
      again: "y".repeat(1_000),
      code: "TIMED_OUT",
    },
  };
  test.each(Object.entries(endless))("is not held by %s", async (_what, { first, again, code }) => {
    const url = await serveRaw((socket) => {
      socket.write(first);
      const pour = (): void => {
        while (!socket.destroyed && socket.write(again));
      };
      socket.on("drain", pour);
      pour();
    });
    expect(codeOf((await attempt({ call: { url }, timeoutMs: code === "TIMED_OUT" ? 500 : 15_000 })).outcome)).toBe(
      code,
    );
  });

  test.each([
    ["less than it says", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", "connection_failed"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\n{}", "connection_failed"],
    [
      "a length and chunks",
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
      "connection_failed",
    ],
    ["no HTTP at all", "SSH-2.0-OpenSSH_9.6\r\n", "connection_failed"],
  ])("does not take %s for an answer", async (_what, message, code) => {
    const url = await serveRaw((socket) => socket.end(message));
    expect(codeOf((await attempt({ call: { url } })).outcome)).toBe(code);
  });

  test("takes no second answer for that of its one request", async () => {
    const two = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2";
    const url = await serveRaw((socket) => socket.end(two));
    expect((await attempt({ call: { url } })).outcome).toEqual({ status: "SUCCEEDED", output: 1 });
  });

  test.each([
    (port: string) => `//elsewhere.example:${port}/`,
    (port: string) => `\\\\elsewhere.example:${port}/`,
    (port: string) => `/\\elsewhere.example:${port}/`,
    (port: string) => `https://127.0.0.1:${port}/`,
    (port: string) => `http://127.0.0.1:${port}@elsewhere.example/`,
    (port: string) => `http://somebody@127.0.0.1:${port}/`,
    (port: string) => `http://127.0.0.2:${port}/`,
    () => "javascript:alert(1)",
    () => "data:text/plain,{}",
    () => "http://",
  ])("is not redirected elsewhere, however it is written (%#)", async (locationAt) => {
    const asked: string[] = [];
    const url = await serve((request, response) => {
      asked.push(request.url ?? "");
      response.writeHead(307, { location: locationAt(new URL(url).port) }).end();
    });
    const resolve = async (): Promise<string[]> => ["127.0.0.1"];
    const call = { url: `${url}/first`, headers: { authorization: "Bearer t0ken" } };
    expect(codeOf((await attempt({ call, rules: { resolve } })).outcome)).toBe("redirect_refused");
    expect(asked).toEqual(["/first"]);
  });

  test("sends what is written in a target as one request line, and nothing after it", async () => {
    const lines: string[] = [];
    const url = await serve((request, response) => {
      lines.push(`${request.method} ${request.url} ${request.headers.host}`);
      response.end("{}");
    });
    const { host } = new URL(url);
    for (const path of [
      "/a HTTP/1.1\r\nHost: metadata\r\n\r\nGET /b",
      "/a\nb",
      "/a%0d%0aHost:%20metadata",
      "/a/../../b",
    ]) {
      await attempt({ call: { url: `${url}${path}` } });
    }
    expect(lines).toEqual([
      `POST /a%20HTTP/1.1Host:%20metadataGET%20/b ${host}`,
      `POST /ab ${host}`,
      `POST /a%0d%0aHost:%20metadata ${host}`,
      `POST /b ${host}`,
    ]);
  });
});

describe("the remote executor, under the egress policy,", () => {
  test("sends no packet to what is refused", async () => {
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    const port = await listening(server);
    const hosts = ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]", "127.1"];
    for (const host of hosts) {
      const { outcome } = await attempt({ call: { url: `http://${host}:${port}/` }, rules: { allow: [] } });
      expect([host, codeOf(outcome)]).toEqual([host, "egress_refused"]);
    }
    expect(connections).toBe(0);
  });

  test("connects to the address that it checked, whatever the name resolves to afterwards", async () => {
    const url = await serve((request, response) => response.end(JSON.stringify(request.headers.host)));
    const { port } = new URL(url);
    let asked = 0;
    const resolve = async (): Promise<string[]> => (asked++ === 0 ? ["127.0.0.2"] : ["127.0.0.1"]);
    const rules = { allow: ["127.0.0.2"], resolve };
    const first = await attempt({ call: { url: `http://rebind.example:${port}/` }, rules });
    expect([codeOf(first.outcome), asked]).toEqual(["connection_refused", 1]);
    const second = await attempt({ call: { url: `http://rebind.example:${port}/` }, rules });
    expect([codeOf(second.outcome), asked]).toEqual(["egress_refused", 2]);
  });

  test("tries the further addresses of a name and sends the name as the host", async () => {
    const url = await serve((request, response) => response.end(JSON.stringify(request.headers.host)));
    const { port } = new URL(url);
    const rules = { resolve: async () => ["127.0.0.3", "127.0.0.1"] };
    const { outcome } = await attempt({ call: { url: `http://two.example:${port}/` }, rules });
    expect(outcome).toEqual({ status: "SUCCEEDED", output: `two.example:${port}` });
  });

  test("connects to nothing when it is cancelled while the name is looked up", async () => {
    const controller = new AbortController();
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    const port = await listening(server);
    const resolve = async (): Promise<string[]> => {
      controller.abort();
      return ["127.0.0.1"];
    };
    const call = { url: `http://slow.example:${port}/` };
    expect((await attempt({ call, rules: { resolve }, signal: controller.signal })).outcome).toEqual({
      status: "CANCELLED",
    });
    const never = { resolve: () => new Promise<string[]>(() => {}) };
    expect((await attempt({ call, rules: never, timeoutMs: 50 })).outcome).toMatchObject({ status: "TIMED_OUT" });
    expect(connections).toBe(0);
  });
});
