import type { Answer, Call } from "./fake-call.ts";

/** A rule as the API of the fake firewall shows it. */
interface Rule {
  readonly rule_id: string;
  readonly ip: string;
  readonly expires_at: string;
}

/**
 * A firewall that forgets everything when it ends. `POST /api/rules/block {ip, duration_h}` and `GET /api/rules?ip=`. An address that has a
 * rule gets no second one.
 * @param failures Blocking requests that are answered 503 before the first one is served, so that retries can be seen.
 */
export function createFakeFirewall({ failures }: { readonly failures: number }): (call: Call) => Answer {
  const rules = new Map<string, Rule>();
  let failuresLeft = failures;

  function block({ body }: Call): Answer {
    const { ip, duration_h: hours } = body;
    if (typeof ip !== "string" || typeof hours !== "number") {
      return { status: 400, body: { error: "ip and duration_h" } };
    }
    if (failuresLeft > 0) {
      failuresLeft -= 1;
      const message = "The firewall is loading its policy; try again.";
      return { status: 503, body: { error: { code: "busy", message } } };
    }
    const existing = rules.get(ip);
    if (existing) return { status: 200, body: { status: "already_blocked", data: existing } };
    const expires = new Date(Date.now() + hours * 3_600_000).toISOString();
    const rule: Rule = { rule_id: `rule-${rules.size + 1}`, ip, expires_at: expires };
    rules.set(ip, rule);
    return { status: 201, body: { status: "success", data: rule } };
  }

  return (call) => {
    if (call.route === "POST /api/rules/block") return block(call);
    if (call.route !== "GET /api/rules") return { status: 404, body: { error: "no such route" } };
    const found = [...rules.values()].filter(({ ip }) => ip === call.query.get("ip"));
    return { status: 200, body: { count: found.length, rules: found } };
  };
}
