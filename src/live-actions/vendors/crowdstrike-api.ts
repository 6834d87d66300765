import { z } from "zod";
import type { Json } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { AdapterCall, CredentialParam, RequestProblem } from "../adapter.ts";
import { type FailedResult, failed, readAnswer } from "../vendor-answer.ts";
import { VendorError } from "../vendor-http.ts";
import { type VendorBase, vendorUrl } from "../vendor-url.ts";
import { bearerRequest } from "./bearer-request.ts";

/** @see The address of each cloud and the permissions: the PSFalcon wiki of CrowdStrike, 2026-11. */
export const falconCredentials: readonly CredentialParam[] = [
  {
    name: "cs_client_id",
    isRequired: true,
    isSecret: true,
    description: "Id of a Falcon API client. Isolating needs Hosts: Read and Write, the rest Real time response.",
  },
  { name: "cs_client_secret", isRequired: true, isSecret: true, description: "Its secret." },
  {
    name: "cs_base_url",
    isRequired: false,
    isSecret: false,
    description: "The cloud that the client belongs to, e.g. https://api.eu-1.crowdstrike.com. By default US-1.",
  },
];

/** What Falcon says went wrong: of the whole request, or of one host. */
export const falconErrors = z
  .array(z.object({ code: z.number().optional(), message: z.string().optional() }))
  .nullish()
  .transform((errors) => errors ?? []);

export interface FalconRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  readonly json?: Json;
}

/**
 * One call of the Falcon API with a bearer token.
 * @throws VendorError also for an answer of 2xx that lists errors.
 */
export async function callFalcon<T>(call: AdapterCall, request: FalconRequest, shape: z.ZodType<T>): Promise<T> {
  const { method, path, query, json } = request;
  const url = vendorUrl(baseOf(call), path, query);
  const answer = await call.http.callWithToken("falcon", () => fetchToken(call), bearerRequest({ method, url, json }));
  const { errors } = readAnswer(answer, z.object({ errors: falconErrors }));
  if (errors.length > 0) {
    throw new VendorError(`Falcon answered ${answer.status} with errors: ${said(errors)}`, answer.status, answer.body);
  }
  return readAnswer(answer, shape);
}

/** The words of a list of errors, as one line. */
export function said(errors: z.infer<typeof falconErrors>): string {
  return errors.map(({ code, message }) => [code, message].filter((part) => part !== undefined).join(" ")).join("; ");
}

function baseOf({ credentials }: AdapterCall): VendorBase {
  return { name: "cs_base_url", value: credentials["cs_base_url"], fallback: "https://api.crowdstrike.com" };
}

async function fetchToken(call: AdapterCall): Promise<{ token: string; expiresInMs: number }> {
  const { cs_client_id = "", cs_client_secret = "" } = call.credentials;
  const answer = await call.http.call({
    method: "POST",
    url: vendorUrl(baseOf(call), "/oauth2/token"),
    form: { client_id: cs_client_id, client_secret: cs_client_secret },
  });
  const shape = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });
  const { access_token, expires_in } = readAnswer(answer, shape);
  return { token: access_token, expiresInMs: expires_in * 1000 };
}

/**
 * A text as a string of the Falcon Query Language. Backslashes first: they escape.
 * @see FQL's strings stand in single quotes, in which a backslash escapes; found in use, 2026-11: CrowdStrike's public pages do not say.
 */
export function fqlText(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

export interface Device {
  readonly id: string;
  readonly hostname: string;
  /** `normal`, `containment_pending`, `contained` or `lift_containment_pending`. */
  readonly containment: string;
  /** `Windows`, `Mac` or `Linux`; empty where it is not known. */
  readonly platform: string;
}

const idPattern = /^[0-9a-f]{32}$/;
const deviceShape = z
  .object({
    device_id: z.string().regex(idPattern),
    hostname: z.string().default(""),
    status: z.string().default("unknown"),
    platform_name: z.string().default(""),
  })
  .transform(
    (found): Device => ({
      id: found.device_id,
      hostname: found.hostname,
      containment: found.status,
      platform: found.platform_name,
    }),
  );

/** What is wrong with a host as it was named. A star would make a pattern of it. */
export function checkHost(host: string): RequestProblem | undefined {
  if (/^[^\p{C}\p{Zl}\p{Zp}*]{1,255}$/u.test(host) && host.trim() === host) return undefined;
  const message = "The target is a host name of 1 to 255 characters without stars, or a device id of 32 hex digits.";
  return { error: "invalid_target", message };
}

/**
 * The one device of a host name, or of a device id (32 hex digits).
 * Falcon's `hostname:'web'` also finds web-1 (psfalcon, issue 425, 2026-11), so what it finds is read and compared: the first of it may be
 * another host. Of several devices with the same name none is taken.
 */
export async function findDevice(call: AdapterCall, host: string): Promise<Device | FailedResult> {
  const wanted = host.toLowerCase();
  const isId = idPattern.test(wanted);
  const filter = isId ? `device_id:${fqlText(wanted)}` : `hostname:${fqlText(host)}`;
  const { resources: ids } = await callFalcon(
    call,
    { method: "GET", path: "/devices/queries/devices/v1", query: { filter, limit: String(limits.vendorMatchesMax) } },
    z.object({ resources: z.array(z.string().regex(idPattern)) }),
  );
  const candidates = ids.length === 0 ? [] : await readDevices(call, ids.slice(0, limits.vendorMatchesMax));
  const devices = candidates.filter(({ id, hostname }) => (isId ? id : hostname.toLowerCase()) === wanted);
  const [device, ...others] = devices;
  if (!device) return failed("target_not_found", `Falcon knows no device ${host}.`, { hostname: host });
  if (others.length > 0) {
    const summary = `Falcon knows ${devices.length} devices ${host}. Give the device id of the one that is meant.`;
    return failed("ambiguous_target", summary, { hostname: host, device_ids: devices.map(({ id }) => id) });
  }
  return device;
}

/** @throws VendorError where Falcon answers without it. */
export async function readDevice(call: AdapterCall, id: string): Promise<Device> {
  const device = (await readDevices(call, [id])).find((found) => found.id === id);
  if (!device) throw new VendorError(`Falcon does not show the device ${id}.`);
  return device;
}

async function readDevices(call: AdapterCall, ids: readonly string[]): Promise<readonly Device[]> {
  const request = { method: "GET", path: "/devices/entities/devices/v2", query: { ids } } as const;
  return (await callFalcon(call, request, z.object({ resources: z.array(deviceShape) }))).resources;
}
