import type { Json } from "../../core/json.ts";
import type { AdapterCall, CredentialParam } from "../adapter.ts";
import { type VendorAnswer, VendorError, type VendorRequest } from "../vendor-http.ts";
import { pathSegment, vendorUrl } from "../vendor-url.ts";
import { invalid, readFlag } from "./read-params.ts";
import { readServerAddress } from "./server-address.ts";

const of = (...group: string[]): CredentialParam["isRequired"] => ({ group });

/** An address (as a URL or a host) and a way to sign in. */
export const elasticCredentials: readonly CredentialParam[] = [
  {
    name: "elastic_url",
    isRequired: of("url and key", "url and password"),
    isSecret: false,
    description: "Elasticsearch, e.g. https://elastic.example:9200.",
  },
  {
    name: "elastic_host",
    isRequired: of("host and key", "host and password"),
    isSecret: false,
    description: "The same as a host name; https and port 9200 where it names no other.",
  },
  {
    name: "elastic_api_key",
    isRequired: of("url and key", "host and key"),
    isSecret: true,
    description: "An API key, encoded as Elasticsearch gives it.",
  },
  {
    name: "elastic_username",
    isRequired: of("url and password", "host and password"),
    isSecret: false,
    description: "A user; needed only without an API key.",
  },
  {
    name: "elastic_password",
    isRequired: of("url and password", "host and password"),
    isSecret: true,
    description: "The user's password.",
  },
  {
    name: "elastic_verify_ssl",
    isRequired: false,
    isSecret: false,
    description: "false where the server has a certificate of its own; true where left out.",
  },
];

export const elasticIndex: CredentialParam = {
  name: "elastic_index",
  isRequired: false,
  isSecret: false,
  description:
    "The indices that are searched where no ES|QL says so itself, e.g. logs-*,winlogbeat-*; * where left out.",
};

export interface ElasticRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Segments of the path. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  readonly json?: Json;
}

/**
 * Asks Elasticsearch's REST API. Plain JSON and no media type of a version, so that 8 and 9 both answer.
 * @throws VendorError for a status of 300 and more; InvalidRequest where a credential can't be used.
 * @see "REST API conventions" and "Create API key" in the Elasticsearch API reference, 2026-11.
 */
export async function askElastic(call: AdapterCall, request: ElasticRequest): Promise<VendorAnswer> {
  return call.http.call(elasticRequest(call, request));
}

/** The same where there may be no such thing; undefined then. */
export async function askElasticFor(call: AdapterCall, request: ElasticRequest): Promise<VendorAnswer | undefined> {
  try {
    return await askElastic(call, request);
  } catch (error) {
    if (error instanceof VendorError && error.status === 404) return undefined;
    throw error;
  }
}

function elasticRequest({ credentials }: AdapterCall, { method, path, query, json }: ElasticRequest): VendorRequest {
  const name = credentials["elastic_url"] ? "elastic_url" : "elastic_host";
  const value = readServerAddress(credentials[name] ?? "", 9200)?.href;
  if (value === undefined) throw invalid(`\`${name}\` is to be an address like https://elastic.example:9200.`);
  const isVerifying = readFlag(credentials, "elastic_verify_ssl", true);
  const base = { name, value, fallback: "https://elastic.example:9200" };
  return {
    method,
    url: vendorUrl(base, `/${path.map(pathSegment).join("/")}`, query),
    headers: { authorization: authorizationOf(credentials) },
    ...(json !== undefined && { json }),
    ...(!isVerifying && { allowsUntrustedCertificate: true }),
  };
}

function authorizationOf(credentials: AdapterCall["credentials"]): string {
  const key = credentials["elastic_api_key"];
  if (key) return `ApiKey ${key}`;
  const pair = `${credentials["elastic_username"] ?? ""}:${credentials["elastic_password"] ?? ""}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}
