// Falcon as far as the adapters know it: sign-in, devices, containment and Real Time Response with its own way to read a command line.
import assert from "node:assert/strict";
import type { Json, JsonObject } from "../../../src/core/json.ts";
import { type Behaviour, type FakeAnswer, type FakeCall, type FakeRoute, startVendorFake } from "./vendor-fake.ts";

export const falconSecret = "falcon-secret-0123456789";
export const fileSha256 = "ab".repeat(32);

export interface FakeDevice {
  readonly device_id: string;
  readonly hostname: string;
  readonly platform_name: string;
  status: string;
}

export interface FalconOptions extends Behaviour {
  /** Besides `host-77`, and `host-770` that Falcon finds for that name too. */
  readonly devices?: readonly FakeDevice[];
  readonly hostStatus?: string;
  readonly platform?: string;
  /** Looks at a device after which a containment that was asked for has reached it. */
  readonly looksUntilSettled?: number;
  /** The host can't be reached: said of the host, or of the whole batch as its status 404. */
  readonly offline?: "host" | "batch";
  /** Falcon accepts a containment, and then says that it went wrong. */
  readonly refusesContainment?: boolean;
  /** Of one host, instead of the answer of a command that went well. */
  readonly command?: JsonObject;
  /** What its state is when it is asked for. */
  readonly commandStates?: readonly JsonObject[];
  /** Looks at a fetched file after which it is there; none: never. */
  readonly looksUntilFetched?: number;
}

export const hostId = "0a".repeat(16);

export interface FalconFake extends Awaited<ReturnType<typeof startVendorFake>> {
  readonly devices: readonly FakeDevice[];
  /** The words of every command that a host was given, as its parser takes them. */
  readonly commands: readonly (readonly string[])[];
}

export async function startFalcon(options: FalconOptions = {}): Promise<FalconFake> {
  const state = createState(options);
  const fake = await startVendorFake({
    behaviour: options,
    routes: [signIn(state), ...hostRoutes(state), ...rtrRoutes(state)],
    credentials: (origin) => ({ cs_client_id: "client-1", cs_client_secret: falconSecret, cs_base_url: origin }),
  });
  return Object.assign(fake, { devices: state.devices, commands: state.commands });
}

interface State {
  readonly options: FalconOptions;
  readonly devices: FakeDevice[];
  readonly tokens: Set<string>;
  readonly commands: string[][];
  looks: number;
}

function createState(options: FalconOptions): State {
  const status = options.hostStatus ?? "normal";
  const platform_name = options.platform ?? "Windows";
  const host = { device_id: hostId, hostname: "host-77", platform_name, status };
  const similar = { device_id: "0b".repeat(16), hostname: "host-770", platform_name, status: "normal" };
  const devices = [similar, ...(options.lacksTarget ? [] : [host]), ...(options.devices ?? [])];
  return { options, devices, tokens: new Set(), commands: [], looks: 0 };
}

function signIn({ tokens }: State): FakeRoute {
  return {
    method: "POST",
    path: /^\/oauth2\/token$/,
    answer: ({ headers, body }) => {
      assert.equal(headers["content-type"], "application/x-www-form-urlencoded");
      assert.deepEqual([...new URLSearchParams(body)].sort(), [
        ["client_id", "client-1"],
        ["client_secret", falconSecret],
      ]);
      const token = `falcon-token-${tokens.size}-abcdefgh`;
      tokens.add(token);
      return { status: 201, json: { access_token: token, token_type: "bearer", expires_in: 1799 } };
    },
  };
}

/** A route that only who signed in may ask. The name is the path with what tells calls apart. */
function route(state: State, method: string, path: string, read: (call: FakeCall) => FakeAnswer): FakeRoute {
  return {
    method,
    path: new RegExp(`^${path.replaceAll("/", "\\/")}$`),
    name: ({ url }) => `${method} ${path}${suffixOf(url)}`,
    answer: (call) => {
      assert.ok(state.tokens.has(call.headers.authorization?.replace(/^Bearer /, "") ?? ""), "a token of this fake");
      return read(call);
    },
  };
}

function suffixOf({ searchParams }: URL): string {
  const action = searchParams.get("action_name");
  return action ? ` ${action}` : "";
}

function resources(resources: Json, status = 200): FakeAnswer {
  return { status, json: { meta: { powered_by: "fake" }, errors: [], resources } };
}

function hostRoutes(state: State): FakeRoute[] {
  const { devices, options } = state;
  return [
    route(state, "GET", "/devices/queries/devices/v1", ({ url }) => {
      const { field, text } = readFql(url.searchParams.get("filter") ?? "");
      assert.deepEqual([...url.searchParams.keys()].sort(), ["filter", "limit"]);
      // A bare string finds what begins like it, whatever its case.
      const wanted = text.toLowerCase();
      const found = devices.filter((device) => device[field].toLowerCase().startsWith(wanted));
      return resources(found.map(({ device_id }) => device_id));
    }),
    route(state, "GET", "/devices/entities/devices/v2", ({ url }) => {
      const ids = url.searchParams.getAll("ids");
      const found = devices.filter(({ device_id }) => ids.includes(device_id));
      for (const device of found) {
        if (!device.status.endsWith("_pending") || state.looks++ < (options.looksUntilSettled ?? 0)) continue;
        device.status = device.status === "containment_pending" ? "contained" : "normal";
      }
      return resources(found.map((device) => ({ ...device, agent_version: "7.1" })));
    }),
    route(state, "POST", "/devices/entities/devices-actions/v2", ({ url, body }) => {
      const { ids } = JSON.parse(body) as { ids: string[] };
      const action = url.searchParams.get("action_name");
      assert.ok(action === "contain" || action === "lift_containment");
      const device = devices.find(({ device_id }) => device_id === ids[0]);
      assert.ok(device && ids.length === 1);
      if (options.refusesContainment) {
        const errors = [{ code: 409, message: "the sensor can't be contained" }];
        return { status: 202, json: { meta: {}, errors, resources: [{ id: device.device_id, path: "" }] } };
      }
      device.status = action === "contain" ? "containment_pending" : "lift_containment_pending";
      return resources([{ id: device.device_id, path: `/devices/entities/devices/v1/${device.device_id}` }], 202);
    }),
  ];
}

/** Reads one comparison: anything that breaks out of the string does not match. */
function readFql(filter: string): { field: "hostname" | "device_id"; text: string } {
  const [, field, text] = /^(hostname|device_id):'((?:[^'\\]|\\['\\])*)'$/su.exec(filter) ?? [];
  assert.ok(field !== undefined && text !== undefined, `no single comparison: ${filter}`);
  return { field: field as "hostname" | "device_id", text: text.replace(/\\(.)/g, "$1") };
}

const batchId = "6ee4231d-5876-4bb1-9aa3-b93ec2943321";
const sessionId = "9a4c6b56-8995-4c81-b105-b62090fca961";
const went = { session_id: sessionId, task_id: "task-1", complete: true, stdout: "", stderr: "", errors: [] };

function rtrRoutes(state: State): FakeRoute[] {
  const { options } = state;
  const perHost = (host: JsonObject): JsonObject => ({ [hostId]: { ...went, aid: hostId, ...host } });
  const command = (level: string) =>
    route(state, "POST", `/real-time-response/combined/batch-${level}-command/v1`, ({ body }) => {
      const { base_command, batch_id, command_string, optional_hosts } = JSON.parse(body) as Record<string, string>;
      assert.equal(batch_id, batchId);
      assert.deepEqual(optional_hosts, [hostId]);
      const words = readCommandLine(command_string ?? "");
      assert.equal(words[0], base_command);
      assert.equal(level, base_command === "runscript" ? "admin" : "active-responder");
      state.commands.push(words);
      return { status: 201, json: { meta: {}, errors: [], combined: { resources: perHost(options.command ?? {}) } } };
    });
  const states = [...(options.commandStates ?? [])];
  const status = (level: string) =>
    route(state, "GET", `/real-time-response/entities/${level}-command/v1`, ({ url }) => {
      assert.equal(url.searchParams.get("cloud_request_id"), "task-1");
      assert.equal(url.searchParams.get("sequence_id"), "0");
      return resources([{ session_id: sessionId, task_id: "task-1", ...(states.shift() ?? { complete: false }) }]);
    });
  return [
    route(state, "POST", "/real-time-response/combined/batch-init-session/v1", ({ body }) => {
      assert.deepEqual(JSON.parse(body), { host_ids: [hostId], queue_offline: false });
      if (options.offline === "batch") {
        const nobody = [{ code: 404, message: "no successful hosts initialized on RTR" }];
        return { status: 404, json: { meta: {}, errors: nobody, batch_id: "", resources: {} } };
      }
      const errors = [{ code: 40401, message: "Could not establish sensor comms" }];
      const host = perHost(options.offline ? { session_id: "", complete: false, errors } : { stdout: "C:\\" });
      return { status: 201, json: { meta: {}, errors: [], batch_id: batchId, resources: host } };
    }),
    ...getRoutes(state, perHost),
    ...["active-responder", "admin"].flatMap((level) => [command(level), status(level)]),
  ];
}

function getRoutes(state: State, perHost: (host: JsonObject) => JsonObject): FakeRoute[] {
  const path = "/real-time-response/combined/batch-get-command/v1";
  let looks = 0;
  return [
    route(state, "POST", path, ({ body }) => {
      const { batch_id, file_path, optional_hosts } = JSON.parse(body) as Record<string, string>;
      assert.equal(batch_id, batchId);
      assert.deepEqual(optional_hosts, [hostId]);
      const words = readCommandLine(`get ${file_path}`);
      assert.equal(words.length, 2, "Max args is 1");
      state.commands.push(words);
      const isMissing = /missing/.test(words[1] ?? "");
      const host = isMissing ? { stderr: "Check your filename. Couldn't find it" } : { stdout: words[1] ?? "" };
      return {
        status: 201,
        json: { meta: {}, errors: [], batch_get_cmd_req_id: "get-1", combined: { resources: perHost(host) } },
      };
    }),
    route(state, "GET", path, ({ url }) => {
      assert.equal(url.searchParams.get("batch_get_cmd_req_id"), "get-1");
      const isThere = looks++ >= (state.options.looksUntilFetched ?? 0);
      return resources({ [hostId]: { id: 1, session_id: sessionId, size: 1234, sha256: isThere ? fileSha256 : "" } });
    }),
  ];
}

/**
 * Splits a line into words as Real Time Response does: quotes of both kinds and three backticks hold a word together, nothing is escaped.
 * What follows a closing quote has to be a blank.
 */
function readCommandLine(line: string): string[] {
  const word = /(?:(-\w+=))?(?:'([^']*)'|"([^"]*)"|```(.*?)```|([^\s'"`]+))(?: |$)/suy;
  const words: string[] = [];
  while (word.lastIndex < line.length) {
    const [, flag = "", single, double, fenced, plain] = word.exec(line) ?? assert.fail(`no command line: ${line}`);
    words.push(`${flag}${single ?? double ?? fenced ?? plain}`);
  }
  return words;
}
