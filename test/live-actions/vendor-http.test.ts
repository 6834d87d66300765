import type { RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { createEgressPolicy, EgressRefused } from "../../src/executors/egress.ts";
import { VendorError, type VendorRequest, VendorUnreachable } from "../../src/live-actions/vendor-http.ts";
import { bodyOf, listening, serve, serveRaw } from "../executors/remote-attempt.ts";
import { selfSigned } from "./self-signed.ts";
import { get, httpWith, serveInTurn, thrownBy } from "./vendor-servers.ts";

describe("a request to a vendor", () => {
  test.each<[string, Partial<VendorRequest>, string | undefined, string]>([
    ["JSON", { json: { a: ["ü"] } }, "application/json", '{"a":["ü"]}'],
    [
      "a form",
      { form: { user: "a&b=c", "p w": "ü+" } },
      "application/x-www-form-urlencoded",
      "user=a%26b%3Dc&p+w=%C3%BC%2B",
    ],
    ["text", { text: "<a/>", headers: { "Content-Type": "text/xml" } }, "text/xml", "<a/>"],
    ["nothing", {}, undefined, ""],
  ])("carries %s", async (_name, more, type, expected) => {
    const seen = vi.fn();
    const url = await serve(async (request, response) => {
      seen(
        request.method,
        request.url,
        request.headers["content-type"],
        request.headers["user-agent"],
        await bodyOf(request),
      );
      response.end("{}");
    });
    await httpWith().call({ method: "POST", url: new URL("/a%2Fb?q=%27", url), ...more });
    expect(seen).toHaveBeenCalledExactlyOnceWith("POST", "/a%2Fb?q=%27", type, "riposte", expected);
  });

  test("is answered whatever the vendor says, as text and as JSON where it is some", async () => {
    const answers: [string, unknown][] = [
      ['\ufeff{"a": 1}', { a: 1 }],
      ["", undefined],
      ["<a/>", undefined],
      ["null", null],
      [`${"[".repeat(5_000)}${"]".repeat(5_000)}`, undefined],
    ];
    for (const [text, body] of answers) {
      const { url } = await serveInTurn([404, { "X-Vendor": "1" }, text]);
      const answer = await httpWith().send(get(url));
      expect(answer).toMatchObject({ status: 404, body, headers: { "x-vendor": "1" } });
    }
  });

  test.each<[number, Record<string, string>, string, string]>([
    [400, {}, '{"errorSummary": "no such group"}', "The vendor answered 400 (Bad Request): no such group"],
    [
      403,
      {},
      '{"errors": [{"code": 1, "message": "scope\\n missing"}]}',
      "The vendor answered 403 (Forbidden): scope missing",
    ],
    [
      401,
      {},
      '{"error": "invalid_client", "error_description": "wrong secret"}',
      "The vendor answered 401 (Unauthorized): wrong secret; invalid_client",
    ],
    [500, {}, "oh no", "The vendor answered 500 (Internal Server Error)."],
    [304, {}, "", "The vendor answered 304 (Not Modified)."],
    [
      200,
      { "content-type": "text/html" },
      "<html>",
      "The vendor answered 200 with a web page. Check the configured address.",
    ],
    [
      200,
      { "content-type": "application/vnd.api+json" },
      '{"a"',
      "The vendor answered 200 with JSON that can't be read.",
    ],
  ])("that is called fails by %i %j %s", async (status, headers, text, message) => {
    const { url } = await serveInTurn([status, headers, text]);
    const error = await thrownBy(httpWith().call(get(url)));
    expect(error).toBeInstanceOf(VendorError);
    expect(error).toMatchObject({ message, status });
  });

  test("cuts what the vendor says of itself", async () => {
    const { url } = await serveInTurn([500, {}, JSON.stringify({ message: "x".repeat(100_000) })]);
    const { message } = await thrownBy(httpWith().call(get(url)));
    expect(message.length).toBeLessThan(limits.vendorMessageLengthMax + 100);
  });
});

describe("a busy vendor", () => {
  const busy = (headers: Record<string, string> = { "retry-after": "0" }, status = 429) =>
    [status, headers, "{}"] as [number, Record<string, string>, string];

  test.each([429, 503])("that says %i is asked again, a bounded number of times", async (status) => {
    const { url, asked } = await serveInTurn(busy({ "retry-after": "0" }, status));
    expect(await httpWith().send(get(url))).toMatchObject({ status });
    expect(asked).toHaveLength(1 + limits.vendorResendsMax);
  });

  test("is listened to once it has time", async () => {
    const { url, asked } = await serveInTurn(busy(), busy({ "retry-after": new Date(0).toUTCString() }), [
      200,
      {},
      '"done"',
    ]);
    expect(await httpWith().send(get(url))).toMatchObject({ status: 200, body: "done" });
    expect(asked).toHaveLength(3);
  });

  test.each(["61", "99999999999999999999", new Date(Date.now() + 3_600_000).toUTCString()])(
    "that wants to be left alone for longer than the bound (%s) is left alone",
    async (wait) => {
      const { url, asked } = await serveInTurn(busy({ "retry-after": wait }));
      expect(await httpWith().send(get(url))).toMatchObject({ status: 429 });
      expect(asked).toHaveLength(1);
    },
  );

  test("is waited for no longer than its dispatch has time", async () => {
    const controller = new AbortController();
    const reason = new Error("over");
    const url = await serve((_request, response) => {
      response.on("close", () => controller.abort(reason));
      response.writeHead(429, { "retry-after": "50" }).end();
    });
    expect(await thrownBy(httpWith({ signal: controller.signal }).send(get(url)))).toBe(reason);
  });

  test("that is broken is not asked again", async () => {
    const { url, asked } = await serveInTurn([503, {}, ""]);
    expect(await httpWith().send(get(url))).toMatchObject({ status: 503 });
    expect(asked).toHaveLength(1);
  });
});

describe("a redirect", () => {
  const redirecting =
    (to: string, status = 302): RequestListener =>
    (request, response) =>
      request.url === "/new" ? response.end('"here"') : response.writeHead(status, { location: to }).end();

  test("is followed within the origin", async () => {
    const url = await serve(redirecting("/new"));
    expect(await httpWith().call(get(`${url}/old`))).toMatchObject({ body: "here" });
  });

  test.each([307, 308])("keeps the method where it says %i", async (status) => {
    const methods: string[] = [];
    const url = await serve((request, response) => {
      methods.push(request.method!);
      redirecting("/new", status)(request, response);
    });
    await httpWith().call({ method: "DELETE", url: new URL("/old", url) });
    expect(methods).toEqual(["DELETE", "DELETE"]);
  });

  test.each([301, 302, 303])("that would make a GET of a POST (%i) is refused: nothing was done", async (status) => {
    const url = await serve(redirecting("/new", status));
    const error = await thrownBy(httpWith().send({ method: "POST", url: new URL("/old", url) }));
    expect(error).toBeInstanceOf(VendorError);
    expect(error.message).toBe(`The server answered POST with a redirect (${status}), so it did nothing.`);
  });

  test("to another origin is refused, and takes no token there", async () => {
    const { url: other, asked } = await serveInTurn([200, {}, "{}"]);
    const url = await serve(redirecting(`${other}/new`, 307));
    const error = await thrownBy(httpWith().send(get(url, { headers: { authorization: "Bearer secret-token" } })));
    expect(error).toBeInstanceOf(VendorError);
    expect(asked).toEqual([]);
  });

  test("that leads in a circle ends", async () => {
    const { url, asked } = await serveInTurn([302, { location: "/again" }, ""]);
    expect((await thrownBy(httpWith().send(get(url)))).message).toContain(`more than ${limits.redirectsMax} times`);
    expect(asked).toHaveLength(1 + limits.redirectsMax);
  });
});

describe("a vendor that can't be reached", () => {
  test("is not asked where the egress policy does not let it", async () => {
    const { url, asked } = await serveInTurn([200, {}, "{}"]);
    const strict = createEgressPolicy({ allow: [], deny: [], private: "deny" });
    expect(await thrownBy(httpWith({ egress: strict }).send(get(url)))).toBeInstanceOf(EgressRefused);
    expect(asked).toEqual([]);
  });

  test("is told with a code", async () => {
    const cut = await serveRaw((socket) => socket.destroy());
    const unknown = createEgressPolicy({
      ...{ allow: [], deny: [], private: "deny" },
      resolve: async () => Promise.reject(Object.assign(new Error("getaddrinfo ENOTFOUND"), { code: "ENOTFOUND" })),
    });
    const errors = [
      await thrownBy(httpWith().send(get(cut))),
      await thrownBy(httpWith({ egress: unknown }).send(get("https://nowhere.example/"))),
      await thrownBy(httpWith().send(get("ftp://127.0.0.1/"))),
      await thrownBy(httpWith().send(get("http://user:pass@127.0.0.1/"))),
    ];
    expect(errors.map(({ code }) => code)).toEqual(["connection_failed", "dns_failure", "invalid_url", "invalid_url"]);
    for (const error of errors) expect(error).toBeInstanceOf(VendorUnreachable);
  });

  test("is trusted with a certificate of its own only where that is said", async () => {
    const port = await listening(createTlsServer(selfSigned, (_request, response) => response.end('"trusted"')));
    const request = get(`https://127.0.0.1:${port}/`);
    expect(await thrownBy(httpWith().send(request))).toMatchObject({ code: "connection_failed" });
    expect(await httpWith().send({ ...request, allowsUntrustedCertificate: true })).toMatchObject({ body: "trusted" });
  });

  test("by an answer that is too large, says that nobody knows whether it took effect", async () => {
    const { url } = await serveInTurn([200, {}, "x".repeat(limits.responseBytesMax + 1)]);
    const error = await thrownBy(httpWith().send(get(url)));
    expect(error).toMatchObject({ name: "VendorUnreachable", code: "invalid_answer" });
    expect(error.message).toMatch(/larger than 1 MiB.* Whether it took effect is unknown/);
  });

  test.each<[string, (body: Buffer) => Buffer]>([
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
  ])("by an answer that grows without end (%s), says so, too", async (encoding, encode) => {
    const body = encode(Buffer.alloc(8 * limits.responseBytesMax, 0x20));
    const url = await serve((_request, response) =>
      response.writeHead(200, { "content-encoding": encoding }).end(body),
    );
    const error = await thrownBy(httpWith().send(get(url)));
    expect(error).toMatchObject({ code: "invalid_answer", message: expect.stringContaining("larger than 1 MiB") });
  });

  test.each([
    ["cut", { "content-encoding": "gzip" }],
    ["in no known encoding", { "content-encoding": "x-own" }],
  ])("by an answer that is %s, says so, too", async (_what, headers) => {
    const { url } = await serveInTurn([200, headers, "no such text"]);
    expect(await thrownBy(httpWith().send(get(url)))).toMatchObject({ code: "invalid_answer" });
  });

  test("by headers without end, says so, too", async () => {
    const url = await serveRaw((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      for (let index = 0; index < 2_000; index++) socket.write(`x-${index}: ${"y".repeat(100)}\r\n`);
    });
    const error = await thrownBy(httpWith().send(get(url)));
    expect(error).toMatchObject({ code: "invalid_answer" });
    expect(error.message).toContain("headers of the server's answer are larger");
  });

  test("ends with the reason of its dispatch's end while it answers, whatever the reason is", async () => {
    const controller = new AbortController();
    const reason = Object.assign(new Error("over"), { code: "ECONNREFUSED" });
    const url = await serve(() => controller.abort(reason));
    expect(await thrownBy(httpWith({ signal: controller.signal }).send(get(url)))).toBe(reason);
  });

  test("ends with its dispatch, at once where that is over already", async () => {
    const { url, asked } = await serveInTurn([200, {}, "{}"]);
    const reason = new Error("over");
    expect(await thrownBy(httpWith({ signal: AbortSignal.abort(reason) }).send(get(url)))).toBe(reason);
    expect(await thrownBy(httpWith({ signal: AbortSignal.abort(reason) }).sleep(0))).toBe(reason);
    expect(asked).toEqual([]);
  });
});
