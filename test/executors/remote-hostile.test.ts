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
