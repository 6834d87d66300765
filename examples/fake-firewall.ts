import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** A rule as the API of the fake firewall shows it. */
interface Rule {
  readonly rule_id: string;
  readonly ip: string;
  readonly expires_at: string;
}

export interface FakeFirewall {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  close(): Promise<void>;
}

export interface FakeFirewallOptions {
  /** 0 takes any free one. */
  readonly port: number;
  /** What callers must send as bearer token. */
  readonly apiKey: string;
  /** Blocking requests that are answered 503 before the first one is served, so that retries can be seen. */
  readonly failures: number;
  /** Hears one line about each request. */
  onRequest(line: string): void;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * A firewall that forgets everything when it ends. `POST /api/rules/block {ip, duration_h}` and `GET /api/rules?ip=`; blocking is
 * idempotent twice over: the same Idempotency-Key gets its first answer again, and an address that has a rule gets no second one.
 */
export async function startFakeFirewall(options: FakeFirewallOptions): Promise<FakeFirewall> {
  const rules = new Map<string, Rule>();
  const answered = new Map<string, Answer>();
  let failuresLeft = options.failures;

  async function block(request: IncomingMessage): Promise<Answer> {
    const key = request.headers["idempotency-key"];
    const body = (await json(request).catch(() => null)) as { ip?: unknown; duration_h?: unknown } | null;
    const ip = body?.ip;
    const hours = body?.duration_h;
    if (typeof ip !== "string" || typeof hours !== "number")
      return { status: 400, body: { error: "ip and duration_h" } };
    if (failuresLeft > 0) {
      failuresLeft -= 1;
      return {
        status: 503,
        body: { error: { code: "busy", message: "The firewall is loading its policy; try again." } },
      };
    }
    const known = typeof key === "string" ? answered.get(key) : undefined;
    if (known) return known;
    const answer = addRule(ip, hours);
    if (typeof key === "string") answered.set(key, answer);
    return answer;
  }

  function addRule(ip: string, hours: number): Answer {
    const existing = rules.get(ip);
    if (existing) return { status: 200, body: { status: "already_blocked", data: existing } };
    const expires = new Date(Date.now() + hours * 3_600_000).toISOString();
    const rule: Rule = { rule_id: `rule-${rules.size + 1}`, ip, expires_at: expires };
    rules.set(ip, rule);
    return { status: 201, body: { status: "success", data: rule } };
  }

  async function answerTo(request: IncomingMessage): Promise<Answer> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://firewall");
    if (request.headers.authorization !== `Bearer ${options.apiKey}`)
      return { status: 401, body: { error: "unknown key" } };
    if (request.method === "POST" && pathname === "/api/rules/block") return block(request);
    if (request.method === "GET" && pathname === "/api/rules") {
      const found = [...rules.values()].filter(({ ip }) => ip === searchParams.get("ip"));
      return { status: 200, body: { count: found.length, rules: found } };
    }
    return { status: 404, body: { error: "no such route" } };
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body } = await answerTo(request);
    options.onRequest(`${request.method} ${request.url} → ${status}`);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
