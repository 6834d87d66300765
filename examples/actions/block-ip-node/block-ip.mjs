// Arguments come as JSON on stdin, the result goes as JSON to stdout, and what people should read goes to stderr.
import { json } from "node:stream/consumers";

const { ip_address: ip, duration_hours: hours, firewall_url: firewall, fw_api_key: key } = await json(process.stdin);

try {
  process.stdout.write(JSON.stringify(await blockIp()));
} catch (error) {
  const code = error.httpStatus ?? "firewall_unreachable";
  const message = error.cause?.message ?? error.message;
  console.error(`Failed: ${message}`);
  process.stdout.write(JSON.stringify({ status: "error", error: { code, message } }));
  process.exitCode = 1;
}

async function blockIp() {
  // Running twice must do the same as running once, so the script looks before it acts.
  console.error(`Looking for a rule that blocks ${ip}`);
  const { count, rules } = await ask(`/api/rules?ip=${encodeURIComponent(ip)}`);
  if (count > 0) {
    console.error(`${ip} is blocked already, by ${rules[0].rule_id}`);
    return { status: "already_blocked", data: rules[0] };
  }
  console.error(`Blocking ${ip} for ${hours} h`);
  const answer = await ask("/api/rules/block", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": process.env.IDEMPOTENCY_KEY },
    body: JSON.stringify({ ip, duration_h: hours }),
  });
  console.error(`The firewall made ${answer.data.rule_id}`);
  return answer;
}

async function ask(path, { headers, ...request } = {}) {
  const response = await fetch(firewall + path, {
    ...request,
    headers: { ...headers, authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(10_000),
  });
  if (response.ok) return response.json();
  throw Object.assign(new Error(`The firewall answered ${response.status}.`), { httpStatus: String(response.status) });
}
