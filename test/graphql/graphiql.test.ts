import { request } from "node:http";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openToyEdge, type ToyEdge } from "./toy-edge.ts";

let edge: ToyEdge;
beforeAll(async () => {
  edge = await openToyEdge();
});
afterAll(() => edge.close());

const asBrowser = { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };

describe("GraphiQL", () => {
  test("is served to a browser, also without compression, and names no address elsewhere to load from", async () => {
    const response = await fetch(edge.url, { headers: { ...asBrowser, "accept-encoding": "identity" } });
    expect(response.headers.get("content-encoding")).toBeNull();
    const page = await response.text();
    expect(page).toContain("YogaGraphiQL.renderYogaGraphiQL(");
    // What makes a browser load something: attributes in quotes or without, style sheets, imports and workers.
    const markup =
      page.slice(0, page.indexOf("<style>")) +
      page.slice(page.lastIndexOf("</style>")).replace(/<script>[\s\S]*<\/script>/, "");
    const loads = [...markup.matchAll(/\b(?:src|href|srcset|poster|action)\s*=\s*["']?([^"'\s>]+)/gi)].map(
      ([, target]) => target,
    );
    expect(loads.every((target) => target?.startsWith("data:"))).toBe(true);
    const styles = page.slice(page.indexOf("<style>"), page.indexOf("</style>"));
    expect([...styles.matchAll(/url\(\s*["']?(?!data:)[^)]{0,80}/g), ...styles.matchAll(/@import/g)]).toEqual([]);
    expect([...page.matchAll(/<script[^>]+src|importScripts\(\s*["'`]https?:|\bimport\(\s*["'`]https?:/g)]).toEqual([]);
  });

  test("subscribes over SSE, which carries the headers that sign in", async () => {
    const page = await (await fetch(edge.url, { headers: asBrowser })).text();
    const options = page.slice(page.lastIndexOf("renderYogaGraphiQL("), page.lastIndexOf("renderYogaGraphiQL(") + 600);
    expect(options).toContain('"subscriptionsProtocol":"SSE"');
  });

  test("is held to that by the browser itself", async () => {
    const response = await fetch(edge.url, { headers: asBrowser });
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/);
    await response.body?.cancel();
  });

  test("is sent compressed, and not again to who has it", async () => {
    const first = await get({ ...asBrowser, "accept-encoding": "gzip, br" });
    expect([first.status, first.headers["content-encoding"]]).toEqual([200, "gzip"]);
    expect(gunzipSync(first.body).toString()).toContain("<title>Riposte</title>");
    const second = await get({ ...asBrowser, "if-none-match": String(first.headers["etag"]) });
    expect([second.status, second.body.length]).toEqual([304, 0]);
  });

  test("is not served to a client that takes JSON as well, nor by POST", async () => {
    const query = `${edge.url}?query=${encodeURIComponent("{ hello }")}`;
    expect(await (await fetch(query, { headers: { accept: "application/json, text/html" } })).json()).toHaveProperty(
      "data",
    );
    const posted = await fetch(edge.url, {
      method: "POST",
      headers: { ...asBrowser, "content-type": "application/json" },
      body: '{"query":"{ hello }"}',
    });
    expect(await posted.json()).toHaveProperty("data");
  });
});

interface Got {
  readonly status: number | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: Buffer;
}

/** fetch would unpack the body. */
function get(headers: Record<string, string>): Promise<Got> {
  return new Promise((resolve, reject) => {
    request(edge.url, { headers }, async (response) => {
      const chunks: Buffer[] = await response.toArray();
      resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
    })
      .on("error", reject)
      .end();
  });
}
