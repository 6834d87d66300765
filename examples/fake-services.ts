import { randomBytes, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Answer, type Call, readCall } from "./fake-call.ts";
import { createFakeFirewall } from "./fake-firewall.ts";
import {
  createFakeJira,
  createFakeMailRelay,
  createFakePagerDuty,
  createFakePatcher,
  createFakeSlack,
} from "./fake-vendors.ts";

/** The secrets of the credential store that the actions of `actions/` take, each with what its service accepts. */
export type Credentials = ReturnType<typeof makeCredentials>;

/** New ones for each start. */
export function makeCredentials() {
  const key = () => randomBytes(16).toString("hex");
  return {
    fw_api_key: key(),
    slack_bot_token: `xoxb-${key()}`,
    jira_credentials: Buffer.from(`riposte@example.com:${key()}`).toString("base64"),
    patch_api_key: key(),
    pagerduty_routing_key: key(),
    mail_server_token: key(),
  };
}

const names = ["firewall", "slack", "jira", "patch", "pagerduty", "mail"] as const;
export type ServiceName = (typeof names)[number];

/** A service that fails answers 503; one that hangs takes requests and never answers. */
type Mode = "works" | "fails" | "hangs";

interface Service {
  readonly answer: (call: Call) => Answer;
  readonly isAllowed: (call: Call) => boolean;
}

export interface FakeServices {
  /** `http://127.0.0.1:<port>`: of all of them. */
  readonly url: string;
  /** What came in since the start, the first first. */
  readonly calls: readonly { readonly service: ServiceName; readonly body: Call["body"] }[];
  set(service: ServiceName, mode: Mode): void;
  close(): Promise<void>;
}

export interface FakeServicesOptions {
  /** 0 takes any free one. */
  readonly port: number;
  readonly credentials: Credentials;
  /** Blocking requests that the firewall refuses before it serves one. */
  readonly firewallFailures: number;
  /** Hears one line about each request. */
  onRequest(line: string): void;
}

/** Everything that the sample actions call, on one port. A request with the Idempotency-Key of one that was served gets its answer again. */
export async function startFakeServices(options: FakeServicesOptions): Promise<FakeServices> {
  const services = createServices(options);
  const modes = new Map<ServiceName, Mode>();
  const calls: { service: ServiceName; body: Call["body"] }[] = [];
  const served = new Map<string, Answer>();

  function answerTo(name: ServiceName, call: Call): Answer | undefined {
    const { isAllowed, answer } = services[name];
    if (!isAllowed(call)) return { status: 401, body: { error: "unknown credential" } };
    calls.push({ service: name, body: call.body });
    const mode = modes.get(name) ?? "works";
    if (mode === "hangs") return undefined;
    if (mode === "fails") {
      return { status: 503, body: { error: { code: "out_of_service", message: `The fake ${name} service is down.` } } };
    }
    const key = `${call.route} ${call.headers["idempotency-key"] ?? randomUUID()}`;
    const result = served.get(key) ?? answer(call);
    if (result.status < 400) served.set(key, result);
    return result;
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = await readCall(request);
    const name = serviceAt(call.route);
    const answer = name ? answerTo(name, call) : { status: 404, body: { error: "no such service" } };
    options.onRequest(`${name ?? "nobody"}: ${request.method} ${request.url} → ${answer?.status ?? "no answer"}`);
    if (!answer) return;
    response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body));
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
    calls,
    set: (service, mode) => modes.set(service, mode),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function createServices({
  credentials,
  firewallFailures,
}: FakeServicesOptions): Readonly<Record<ServiceName, Service>> {
  const header = (name: string, value: string) => (call: Call) => call.headers[name] === value;
  const authorization = (value: string) => header("authorization", value);
  return {
    firewall: {
      answer: createFakeFirewall({ failures: firewallFailures }),
      isAllowed: authorization(`Bearer ${credentials.fw_api_key}`),
    },
    slack: { answer: createFakeSlack(), isAllowed: authorization(`Bearer ${credentials.slack_bot_token}`) },
    jira: { answer: createFakeJira(), isAllowed: authorization(`Basic ${credentials.jira_credentials}`) },
    patch: { answer: createFakePatcher(), isAllowed: header("x-api-key", credentials.patch_api_key) },
    pagerduty: {
      answer: createFakePagerDuty(),
      isAllowed: ({ body }) => body["routing_key"] === credentials.pagerduty_routing_key,
    },
    mail: {
      answer: createFakeMailRelay(),
      isAllowed: header("x-postmark-server-token", credentials.mail_server_token),
    },
  };
}

/** By the first part of the path; the firewall's API is `/api`. */
function serviceAt(route: string): ServiceName | undefined {
  const [, first = ""] = / \/(\w+)/.exec(route) ?? [];
  return first === "api" ? "firewall" : names.find((name) => name === first);
}
