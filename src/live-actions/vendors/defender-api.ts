import { z } from "zod";
import type { Json } from "../../core/json.ts";
import type { AdapterCall, CredentialParam } from "../adapter.ts";
import { readAnswer } from "../vendor-answer.ts";
import type { VendorAnswer } from "../vendor-http.ts";
import { pathSegment, type VendorBase, vendorUrl } from "../vendor-url.ts";
import { bearerRequest } from "./bearer-request.ts";

/** @see learn.microsoft.com/defender-endpoint/api/exposed-apis-create-app-webapp and …/gov, 2026-11. */
export const defenderCredentials: readonly CredentialParam[] = [
  {
    name: "mde_tenant_id",
    isRequired: true,
    isSecret: false,
    description: "Id of the Microsoft Entra tenant that the application is registered in.",
  },
  {
    name: "mde_client_id",
    isRequired: true,
    isSecret: true,
    description:
      "Id of the application. It needs Machine.Read.All and Machine.Isolate, Machine.Scan or Ti.ReadWrite of WindowsDefenderATP.",
  },
  { name: "mde_client_secret", isRequired: true, isSecret: true, description: "A secret of the application." },
  {
    name: "mde_base_url",
    isRequired: false,
    isSecret: false,
    description: "Where the API is, e.g. https://eu.api.security.microsoft.com or one of the US government's.",
  },
  {
    name: "mde_login_url",
    isRequired: false,
    isSecret: false,
    description: "Where to sign in; https://login.microsoftonline.us for GCC High and DoD.",
  },
];

export interface DefenderRequest {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly json?: Json;
}

/** One call of the API of Microsoft Defender for Endpoint, with a bearer token of the application. @throws VendorError */
export async function callDefender<T>(call: AdapterCall, request: DefenderRequest, shape: z.ZodType<T>): Promise<T> {
  return readAnswer(await sendToDefender(call, request), shape);
}

/** The same for an answer without a body. */
export function sendToDefender(call: AdapterCall, request: DefenderRequest): Promise<VendorAnswer> {
  const { method, path, query, json } = request;
  const url = vendorUrl(baseOf(call), path, query);
  return call.http.callWithToken("defender", () => fetchToken(call), bearerRequest({ method, url, json }));
}

function baseOf({ credentials }: AdapterCall): VendorBase {
  return { name: "mde_base_url", value: credentials["mde_base_url"], fallback: "https://api.security.microsoft.com" };
}

async function fetchToken(call: AdapterCall): Promise<{ token: string; expiresInMs: number }> {
  const { mde_tenant_id = "", mde_client_id = "", mde_client_secret = "", mde_login_url } = call.credentials;
  const login = { name: "mde_login_url", value: mde_login_url, fallback: "https://login.microsoftonline.com" };
  const answer = await call.http.call({
    method: "POST",
    url: vendorUrl(login, `/${pathSegment(mde_tenant_id)}/oauth2/v2.0/token`),
    form: {
      grant_type: "client_credentials",
      client_id: mde_client_id,
      client_secret: mde_client_secret,
      scope: scopeOf(vendorUrl(baseOf(call), "/")),
    },
  });
  const shape = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });
  const { access_token, expires_in } = readAnswer(answer, shape);
  return { token: access_token, expiresInMs: expires_in * 1000 };
}

/** The commercial API has one scope for all its hosts, each of the US government's has its own. */
export function scopeOf({ hostname, origin }: URL): string {
  const isGovernment = hostname.endsWith(".securitycenter.microsoft.us");
  return `${isGovernment ? origin : "https://api.securitycenter.microsoft.com"}/.default`;
}

/**
 * A text as a string of OData, in which a quote is written twice.
 * @see OData 4.01, part 2: URL conventions, section 5.1.1.6.1 (primitive literals).
 */
export function odataText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
