import type { RequestListener } from "node:http";
import { inspect } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { limits } from "../../src/core/limits.ts";
import { TokenCache } from "../../src/live-actions/token-cache.ts";
import { createMask } from "../../src/secrets/mask.ts";
import { serve } from "../executors/remote-attempt.ts";
import { get, httpWith, thrownBy } from "./vendor-servers.ts";

describe("what a vendor repeats", () => {
  const secret = "S3cret-value-of-the-token";
  const echo: RequestListener = (request, response) =>
    response
      .writeHead(Number(request.headers["x-status"]), { "content-type": "application/json" })
      .end(JSON.stringify({ message: `not ${request.headers.authorization} nor ${request.headers["x-key"]}` }));

  test("of the authorization is masked in answers and errors", async () => {
    const url = await serve(echo);
    const headers = { authorization: `Bearer ${secret}` };
    const answer = await httpWith().send(get(url, { headers: { ...headers, "x-status": "200" } }));
    const error = await thrownBy(httpWith().call(get(url, { headers: { ...headers, "x-status": "403" } })));
    for (const shown of [answer, error]) expect(inspect(shown, { depth: 9 })).not.toContain(secret);
    expect(answer.text).toContain("not Bearer ***");
  });

  test.each<[string, (text: string) => string]>([
    ["base64", (text) => Buffer.from(text).toString("base64")],
    ["hex", (text) => Buffer.from(text).toString("hex")],
    ["URL-encoded", (text) => encodeURIComponent(text)],
  ])("of the authorization is masked as %s too", async (_form, encoded) => {
    const odd = "S3cret/value of+the=token";
    const url = await serve((_request, response) => response.end(JSON.stringify({ said: encoded(odd) })));
    const answer = await httpWith().send(get(url, { headers: { authorization: `Bearer ${odd}` } }));
    expect(answer.body).toEqual({ said: expect.stringMatching(/^\*\*\*=*$/) });
    expect(answer.text).not.toContain(encoded(odd));
  });

  test("of other credentials is masked in errors, also where the words are cut", async () => {
    const url = await serve(echo);
    const mask = createMask([secret]);
    const filling = "y".repeat(limits.vendorMessageLengthMax - 20);
    const headers = { authorization: filling, "x-key": secret, "x-status": "403" };
    const error = await thrownBy(httpWith({ mask }).call(get(url, { headers })));
    expect(inspect(error, { depth: 9 })).not.toContain(secret.slice(0, 6));
  });

  test("can't be a header with a line break, and the error does not show it", async () => {
    const error = await thrownBy(
      httpWith().send(get("http://127.0.0.1:9/", { headers: { authorization: `${secret}\n` } })),
    );
    expect(error).toMatchObject({ name: "VendorUnreachable", code: "invalid_header" });
    expect(error.message).toContain("authorization");
    expect(inspect(error)).not.toContain(secret);
  });
});

describe("a call with a token", () => {
  /** Accepts only tokens that are not in `refused`. */
  async function vendor(refused: readonly string[] = []) {
    const seen: string[] = [];
    const url = await serve((request, response) => {
      const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
      seen.push(token);
      response.writeHead(refused.includes(token) ? 401 : 200).end('"ok"');
    });
    let issued = 0;
    const fetch = vi.fn(async () => ({ token: `token-${++issued}`, expiresInMs: 1_000_000 }));
    const request = (token: string) => get(url, { headers: { authorization: `Bearer ${token}` } });
    return { seen, fetch, request };
  }

  test("is made again with a fresh one after a 401, once", async () => {
    const { seen, fetch, request } = await vendor(["token-1"]);
    expect(await httpWith().callWithToken("k", fetch, request)).toMatchObject({ body: "ok" });
    expect(seen).toEqual(["token-1", "token-2"]);
    const strict = await vendor(["token-1", "token-2", "token-3"]);
    const error = await thrownBy(httpWith().callWithToken("k", strict.fetch, strict.request));
    expect(error).toMatchObject({ name: "VendorError", status: 401 });
    expect(strict.seen).toEqual(["token-1", "token-2"]);
  });

  test("uses a kept one only for the same tenant, vendor, name and credentials", async () => {
    const { seen, fetch, request } = await vendor();
    const tokens = new TokenCache();
    const base = { tokens, tenantId: "a", vendorId: "v", credentials: { id: "1", secret: "2" } };
    await httpWith(base).callWithToken("k", fetch, request);
    await httpWith({ ...base, credentials: { secret: "2", id: "1" } }).callWithToken("k", fetch, request);
    await httpWith({ ...base, tenantId: "b" }).callWithToken("k", fetch, request);
    await httpWith({ ...base, vendorId: "w" }).callWithToken("k", fetch, request);
    await httpWith({ ...base, credentials: { id: "1", secret: "3" } }).callWithToken("k", fetch, request);
    await httpWith(base).callWithToken("l", fetch, request);
    expect(seen).toEqual(["token-1", "token-1", "token-2", "token-3", "token-4", "token-5"]);
  });
});
