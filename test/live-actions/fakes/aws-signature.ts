// Checks a signature as AWS does: over the very bytes that arrived.
import { createHash, createHmac } from "node:crypto";
import type { FakeCall } from "./vendor-fake.ts";

interface Expected {
  readonly host: string;
  readonly service: string;
  readonly region: string;
  readonly keys: ReadonlyMap<string, { readonly secret: string; readonly token: string | undefined }>;
}

/**
 * What is wrong with a call's signature; undefined where nothing is.
 * @see "Create a signed AWS API request" in the IAM user guide, 2026-11.
 */
export function signatureProblem({ headers, method, url, body }: FakeCall, expected: Expected): string | undefined {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w{64})$/;
  const [, id = "", date = "", region, service, names = "", signature] =
    pattern.exec(headers.authorization ?? "") ?? [];
  const key = expected.keys.get(id);
  if (!key) return `no such access key: ${id}`;
  if (region !== expected.region || service !== expected.service) return `a scope of ${region}/${service}`;
  if (headers["x-amz-security-token"] !== key.token) return "not the token of the key";
  if (headers.host !== expected.host) return `another host: ${headers.host}`;
  const signed = names.split(";");
  if (!signed.includes("host") || !signed.includes("x-amz-date")) return "a header is not signed";
  const stamp = String(headers["x-amz-date"]);
  const canonical = [
    ...[method, url.pathname, ""],
    ...signed.map((name) => `${name}:${String(headers[name]).trim()}`),
    ...["", names, sha256(body)],
  ].join("\n");
  const scope = `${date}/${region}/${service}/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", stamp, scope, sha256(canonical)].join("\n");
  const signing = [date, region, service, "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${key.secret}`);
  return hmac(signing, text).toString("hex") === signature ? undefined : "the signature does not match";
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
