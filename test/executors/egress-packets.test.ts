// Beside egress.test.ts, which asks the policy alone: whoever sends, by whatever name or spelling, nothing leaves this process.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createServer } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createEgressPolicy, EgressRefused } from "../../src/executors/egress.ts";
import { get, httpWith, thrownBy } from "../live-actions/vendor-servers.ts";
import { attempt, codeOf, listening, serve } from "./remote-attempt.ts";

/** Every name there is leads to one of these, and all that may be allowed is. */
const everything = ["0.0.0.0/0", "::/0", "*.internal", "*.example", "metadata", "instance-data"];

let socketCount = 0;
let asked: string[] = [];
const count = () => {
  socketCount += 1;
};
beforeEach(() => {
  socketCount = 0;
  asked = [];
  // Node tells of each socket that a client opens, before a packet is sent.
  subscribe("net.client.socket", count);
});
afterEach(() => void unsubscribe("net.client.socket", count));

function rulesFor(...addresses: readonly string[]) {
  const resolve = async (name: string) => {
    asked.push(name);
    return addresses;
  };
  return { allow: everything, deny: [], private: "allow" as const, resolve };
}

async function bothRefuse(url: string, rules: ReturnType<typeof rulesFor>): Promise<void> {
  expect(codeOf((await attempt({ call: { url }, rules })).outcome)).toBe("egress_refused");
  const http = httpWith({ egress: createEgressPolicy(rules) });
  expect(await thrownBy(http.send(get(url)))).toBeInstanceOf(EgressRefused);
  expect(socketCount).toBe(0);
}

describe("a request to a metadata service", () => {
  test.each([
    ...["169.254.169.254", "169.254.169.254.", "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "0xa9.254.0251.0xfe"],
    ...["169.254.43518", "169.16689662", "025177524776", "①⑥⑨.②⑤④.①⑥⑨.②⑤④", "169。254。169。254"],
    ...["[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[0:0:0:0:0:FFFF:A9FE:A9FE]", "[::169.254.169.254]"],
    ...["[64:ff9b::169.254.169.254]", "[64:ff9b:1::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "[::ffff:0:169.254.169.254]"],
    ...["[fd00:ec2::254]", "[fd00:0ec2:0:0::0254]", "100.100.100.200", "1684301000", "192.0.0.192", "168.63.129.16"],
    ...["[fd20:ce::254]", "[::ffff:100.100.100.200]", "[64:ff9b::6464:64c8]"],
  ])("at %s opens no socket", async (host) => {
    await bothRefuse(`http://${host}/latest/meta-data/`, rulesFor("93.184.216.34"));
    expect(asked).toEqual([]);
  });

  test.each([
    "metadata.google.internal",
    "METADATA.google.internal.",
    "metadata",
    "ｍetadata.google.internal",
    "instance-data",
  ])("called %s is not even looked up", async (name) => {
    await bothRefuse(`http://${name}/computeMetadata/v1/`, rulesFor("93.184.216.34"));
    expect(asked).toEqual([]);
  });

  test.each([
    ["169.254.169.254"],
    ["fd00:ec2::254"],
    ["100.100.100.200"],
    ["::ffff:a9fe:a9fe"],
    ["64:ff9b::a9fe:a9fe"],
    ["fe80::1%eth0"],
    // One that may be reached does not make up for another.
    ["93.184.216.34", "169.254.169.254"],
    ["fd00:ec2::254", "93.184.216.34"],
  ])("behind a name (%s) opens no socket", async (...addresses) => {
    await bothRefuse("http://innocent.example/", rulesFor(...addresses));
    expect(asked).toEqual(["innocent.example", "innocent.example"]);
  });

  test.each([
    "http://user@169.254.169.254/",
    "http://innocent.example:80@169.254.169.254/",
    "http://innocent.example%40@169.254.169.254/",
    "http://169.254.169.254:80@innocent.example/",
  ])("behind a user's name (%s) opens no socket", async (url) => {
    expect(codeOf((await attempt({ call: { url }, rules: rulesFor("93.184.216.34") })).outcome)).toBe("invalid_url");
    const http = httpWith({ egress: createEgressPolicy(rulesFor("169.254.169.254")) });
    await thrownBy(http.send(get(url)));
    expect(socketCount).toBe(0);
  });

  test.each([
    ["http://innocent.example\\@169.254.169.254/", "innocent.example"],
    ["http://innocent.example/@169.254.169.254/", "innocent.example"],
    ["http://innocent.example#@169.254.169.254/", "innocent.example"],
    ["http:\\\\169.254.169.254\\", undefined],
    ["http:169.254.169.254/", undefined],
    ["ht\ntp://169.254.\t169.254/", undefined],
  ])("is not mistaken for another host, nor another for it: %j", async (url, host) => {
    await bothRefuse(url, rulesFor("169.254.169.254"));
    expect(asked).toEqual(host === undefined ? [] : [host, host]);
  });
});

describe("a name that leads elsewhere the second time", () => {
  test("is looked up for every attempt, and each answer is checked", async () => {
    const url = await serve((_request, response) => response.end("{}"));
    const { port } = new URL(url);
    const answers = ["127.0.0.1", "169.254.169.254", "127.0.0.1"];
    let at = 0;
    const rules = { ...rulesFor(), resolve: async () => [answers[at++] ?? ""] };
    const codes: string[] = [];
    for (const _attempt of answers) {
      codes.push(codeOf((await attempt({ call: { url: `http://turning.example:${port}/` }, rules })).outcome));
    }
    expect([codes, socketCount]).toEqual([["SUCCEEDED", "egress_refused", "SUCCEEDED"], 2]);
  });

  test("is checked again where a redirect needs a connection of its own", async () => {
    let requestCount = 0;
    const server = createServer((_request, response) => {
      requestCount += 1;
      response.writeHead(307, { location: "/next", connection: "close" }).end();
    });
    const port = await listening(server);
    const answers = ["127.0.0.1", "100.100.100.200"];
    let at = 0;
    const rules = { ...rulesFor(), resolve: async () => [answers[at++] ?? ""] };
    const { outcome } = await attempt({ call: { url: `http://turning.example:${port}/` }, rules });
    expect([codeOf(outcome), requestCount, socketCount, at]).toEqual(["egress_refused", 1, 1, 2]);
  });

  test("leads nowhere with an answer that has no address, or none that can be read", async () => {
    for (const [addresses, code] of [
      [[], "dns_failure"],
      [["not an address"], "egress_refused"],
      [["93.184.216.34", ""], "egress_refused"],
    ] as const) {
      const { outcome } = await attempt({ call: { url: "http://odd.example/" }, rules: rulesFor(...addresses) });
      expect(codeOf(outcome)).toBe(code);
    }
    expect(socketCount).toBe(0);
  });
});
