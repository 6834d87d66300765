import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";

const page = readFileSync(new URL("../../docs/events.md", import.meta.url), "utf8");
/** What each `curl` of the page sends. */
const requests = [...page.matchAll(/^curl -sS "\$URL(\S+)"(.*?) -d '([^']+)'$/gms)].map(
  ([, path, options = "", body]) => ({
    path,
    headers: [...options.matchAll(/-H "([^:]+): ([^"]+)"/g)].map(([, name = "", value = ""]): [string, string] => [
      name,
      value,
    ]),
    body: body ?? "",
  }),
);

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

describe("docs/events.md", () => {
  test("shows requests that are taken, the CloudEvents among them as one event", async () => {
    expect(requests).toHaveLength([...page.matchAll(/^curl /gm)].length);
    const ids: string[] = [];
    for (const { path, headers, body } of requests) {
      const filled = headers.map(([name, value]): [string, string] => [
        name,
        value.replace("$TOKEN", server.adminToken),
      ]);
      const response = await fetch(server.url.replace("/graphql", path ?? ""), {
        method: "POST",
        headers: filled,
        body,
      });
      expect(response.status).toBe(202);
      ids.push(((await response.json()) as { event: { id: string } }).event.id);
    }
    const [plain, structured, binary] = ids;
    expect(structured).toBe(binary);
    expect(plain).not.toBe(structured);
  });
});
