import type { IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { attempt, bodyOf, closers, codeOf, serve, serveRaw } from "./remote-attempt.ts";

describe("the remote executor", () => {
  test("sends the body as JSON with the idempotency key and answers with the response's JSON", async () => {
    let seen: IncomingMessage | undefined;
    let body = "";
    const url = await serve(async (request, response) => {
      seen = request;
      body = await bodyOf(request);
      response.end('{"id": "rule-1"}');
    });
    const call = { url: `${url}/rules?a=1`, headers: { "X-Kind": "block" }, body: { ip: "1.2.3.4", hours: 24 } };
    const { outcome, lines } = await attempt({ call });
    expect(outcome).toEqual({ status: "SUCCEEDED", output: { id: "rule-1" } });
    expect([seen?.method, seen?.url, JSON.parse(body)]).toEqual(["POST", "/rules?a=1", { ip: "1.2.3.4", hours: 24 }]);
    expect(seen?.headers).toMatchObject({
      "idempotency-key": "run-1/step-1",
      "content-type": "application/json",
      "x-kind": "block",
      host: url.slice("http://".length),
    });
    expect(lines[0]).toBe(`SYSTEM Sending POST ${url}/rules`);
    expect(lines[1]).toMatch(/^SYSTEM Answered 200 /);
  });

  test.each(["GET", "DELETE"] as const)("sends the parameters of %s in the query", async (method) => {
    const url = await serve((request, response) => response.end(JSON.stringify(request.url)));
    const query = { text: "a b&c", list: [1, 2], none: null, object: { a: true } };
    const { outcome } = await attempt({ call: { url: `${url}/x?kept=1`, method, query } });
    expect(outcome).toEqual({
      status: "SUCCEEDED",
      output: "/x?kept=1&text=a+b%26c&list=1&list=2&object=%7B%22a%22%3Atrue%7D",
    });
  });

  test.each<[string, string, Json]>([
    ["text", "created\n", { text: "created" }],
    ["nothing", "", null],
    ["a key twice", '{"a":1,"a":2}', { text: '{"a":1,"a":2}' }],
  ])("answers with a result when the response is %s", async (_name, body, output) => {
    const url = await serve((_request, response) => response.end(body));
    expect((await attempt({ call: { url } })).outcome).toEqual({ status: "SUCCEEDED", output });
  });

  test.each<[string, number, string, unknown]>([
    ["its status", 503, "", { code: "http_503", message: "The server answered 503 (Service Unavailable)." }],
    ["the code it states", 409, '{"error":{"code":1042,"message":"exists"}}', { code: "1042", message: "exists" }],
    ["the text it states", 400, '{"error":"bad ip"}', { code: "http_400", message: "bad ip" }],
  ])("fails with %s when the server answers an error", async (_name, status, body, error) => {
    const url = await serve((_request, response) => response.writeHead(status).end(body));
    const { outcome } = await attempt({ call: { url } });
    expect(outcome).toMatchObject({ status: "FAILED", error, output: body === "" ? null : JSON.parse(body) });
  });

  test.each([
    ["a line break in a value", { "x-a": "1\r\nx-b: 2" }],
    ["a bare line feed in a value", { "x-a": "1\nx-b: 2" }],
    ["a NUL in a value", { "x-a": "1\u0000" }],
    ["a line break in a name", { "x-a: 1\r\nx-b": "2" }],
    ["Host", { Host: "metadata" }],
    ["Content-Length", { "content-length": "0" }],
    ["Transfer-Encoding", { "Transfer-Encoding": "chunked" }],
    ["Connection", { connection: "keep-alive, authorization" }],
  ])("refuses %s among the headers and sends nothing", async (_name, headers) => {
    let requests = 0;
    const url = await serve((_request, response) => response.end(String(++requests)));
    expect(codeOf((await attempt({ call: { url, headers: { ...headers } } })).outcome)).toBe("invalid_header");
    expect(requests).toBe(0);
  });

  test.each(["ftp://a.example/", "file:///etc/passwd", "http://u:p@127.0.0.1/", "nowhere"])(
    "refuses the target %s",
    async (url) => {
      expect(codeOf((await attempt({ call: { url } })).outcome)).toBe("invalid_url");
    },
  );

  test("says what kept it from connecting", async () => {
    const resolve = async (): Promise<string[]> =>
      Promise.reject(Object.assign(new Error("no"), { code: "ENOTFOUND" }));
    expect(codeOf((await attempt({ call: { url: "http://nowhere.example/" }, rules: { resolve } })).outcome)).toBe(
      "dns_failure",
    );
    const url = await serve(() => {});
    for (const close of closers.splice(0)) close();
    expect(codeOf((await attempt({ call: { url } })).outcome)).toBe("connection_refused");
    const silent = await serveRaw((socket) => socket.destroy());
    expect(codeOf((await attempt({ call: { url: silent } })).outcome)).toBe("connection_failed");
  });

  test("masks secrets in the output, in errors and in lines, in whatever form they come back", async () => {
    const secret = "t0ken/with&signs";
    const url = await serve(async (request, response) => {
      const auth = String(request.headers.authorization);
      response
        .writeHead(400)
        .end(
          JSON.stringify({ [auth]: [Buffer.from(auth).toString("base64")], error: { code: secret, message: auth } }),
        );
    });
    const call = { url: `${url}/${encodeURIComponent(secret)}`, headers: { authorization: `Bearer ${secret}` } };
    const { outcome, lines } = await attempt({ call, secrets: [secret] });
    expect(outcome).toMatchObject({ status: "FAILED", error: { code: "***", message: "Bearer ***" } });
    const all = JSON.stringify([outcome, lines]);
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64").slice(0, 20)]) {
      expect(all).not.toContain(form);
    }
    expect(lines[0]).toBe(`SYSTEM Sending POST ${url}/***`);
  });

  test("leaves no half of a secret where a long message is cut", async () => {
    const secret = "abcdefghijklmnop";
    const message = "x".repeat(limits.textLengthMax - 8) + secret;
    const url = await serve((_request, response) =>
      response.writeHead(500).end(JSON.stringify({ error: { message } })),
    );
    const { outcome } = await attempt({ call: { url }, secrets: [secret] });
    expect(JSON.stringify(outcome)).not.toContain("abcd");
  });

  test("is cancelled while it waits for the answer", async () => {
    const controller = new AbortController();
    const url = await serve(() => controller.abort());
    expect((await attempt({ call: { url }, signal: controller.signal })).outcome).toEqual({ status: "CANCELLED" });
    expect((await attempt({ call: { url }, signal: controller.signal })).outcome).toEqual({ status: "CANCELLED" });
  });
});

describe("the remote executor, redirected,", () => {
  test.each([
    [301, "POST", "GET"],
    [302, "POST", "GET"],
    [302, "PUT", "PUT"],
    [303, "PUT", "GET"],
    [307, "POST", "POST"],
    [308, "PATCH", "PATCH"],
  ] as const)("follows a %i of %s with %s within the origin", async (status, method, then) => {
    const url = await serve(async (request, response) => {
      if (request.url === "/a") return response.writeHead(status, { location: "/b?c=1" }).end();
      response.end(
        JSON.stringify([request.method, request.url, await bodyOf(request), request.headers["idempotency-key"]]),
      );
    });
    const { outcome } = await attempt({ call: { url: `${url}/a`, method, body: 1 } });
    const body = then === "GET" ? "" : "1";
    expect(outcome).toEqual({ status: "SUCCEEDED", output: [then, "/b?c=1", body, "run-1/step-1"] });
  });

  test("never goes to another origin, scheme or credentials, and not round for ever", async () => {
    let requests = 0;
    const other = await serve((_request, response) => response.end(String(++requests)));
    for (const location of [
      other,
      other.replace("127.0.0.1", "localhost"),
      "file:///etc/passwd",
      "gopher://a/",
      "http://169.254.169.254/",
    ]) {
      const url = await serve((_request, response) => response.writeHead(302, { location }).end());
      expect(codeOf((await attempt({ call: { url } })).outcome)).toBe("redirect_refused");
    }
    expect(requests).toBe(0);
    const round = await serve((_request, response) => response.writeHead(307, { location: `/${++requests}` }).end());
    expect(codeOf((await attempt({ call: { url: round } })).outcome)).toBe("redirect_refused");
    expect(requests).toBe(limits.redirectsMax + 1);
    const nowhere = await serve((_request, response) => response.writeHead(301).end());
    expect(codeOf((await attempt({ call: { url: nowhere } })).outcome)).toBe("redirect_refused");
  });
});
