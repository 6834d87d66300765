import type { STSClientConfig } from "@aws-sdk/client-sts";
import type { JsonObject } from "../../core/json.ts";
import { VendorError, type VendorHttp, type VendorRequest } from "../vendor-http.ts";

/** Who asks AWS. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface AwsAccess {
  readonly credentials: AwsCredentials;
  readonly region: string;
  /** Where another server than AWS's own answers, for all of its services. */
  readonly endpoint?: string | undefined;
  readonly http: VendorHttp;
}

/**
 * What every client of the SDK is made with. All is said here that the SDK would otherwise look for in the environment, in files of the
 * home directory or at the metadata service: those are the server's own, and no tenant may act with them.
 * Its requests go through `http`, so through the egress policy; it only signs them and reads the answers.
 */
export function clientConfig({ credentials, region, endpoint, http }: AwsAccess): AwsClientConfig {
  return {
    credentials,
    region,
    requestHandler: createHandler(http),
    ignoreConfiguredEndpointUrls: true,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    defaultsMode: "standard",
    // Its throttling (503 RequestLimitExceeded) has no Retry-After, so `http` does not wait for it; the SDK knows it.
    retryMode: "standard",
    maxAttempts: 3,
    authSchemePreference: [],
    userAgentAppId: "riposte",
    ...(endpoint !== undefined && { endpoint }),
  };
}

/** The part of a client's configuration that all clients share. */
type AwsClientConfig = Pick<STSClientConfig, "credentials" | "region" | "requestHandler" | "endpoint"> &
  Pick<STSClientConfig, "ignoreConfiguredEndpointUrls" | "useDualstackEndpoint" | "useFipsEndpoint" | "defaultsMode"> &
  Pick<STSClientConfig, "retryMode" | "maxAttempts" | "authSchemePreference" | "userAgentAppId">;

/** A request as the SDK hands it to its handler: what the query protocol uses of it. */
interface HandlerRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Kept apart from the SDK's own errors, and unknown to it: what `http` threw is not to be tried again. */
class TransportFailure extends Error {
  readonly failure: unknown;
  constructor(failure: unknown) {
    super("The request could not be sent.");
    this.failure = failure;
  }
}

function createHandler(http: VendorHttp): Record<string, unknown> {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    handle: async (request: HandlerRequest) => {
      const answer = await http.send(requestOf(request)).catch((failure: unknown) => {
        throw new TransportFailure(failure);
      });
      return { response: { statusCode: answer.status, headers: answer.headers, body: Buffer.from(answer.text) } };
    },
    updateHttpClientConfig: () => {},
    httpHandlerConfigs: () => ({}),
    destroy: () => {},
  };
}

/** The signed request as it is, all of it in the body. What the client writes itself (host, length) is left to it, and comes out the same. */
function requestOf({ protocol, hostname, port, path, method, headers, body }: HandlerRequest): VendorRequest {
  const url = new URL(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`);
  const written = new Set(["host", "content-length"]);
  const sent = Object.entries(headers).filter(([name]) => !written.has(name.toLowerCase()));
  return { method: readMethod(method), url, headers: Object.fromEntries(sent), text: String(body ?? "") };
}

function readMethod(method: string): "POST" {
  if (method === "POST") return method;
  throw new Error(`The SDK sends ${method}, where the query protocol sends POST.`);
}

/**
 * Makes a call of the SDK and turns its errors into ours.
 * @throws What `http` throws; VendorError with `{code, message}` for a refusal, and for an answer that can't be read.
 */
export async function askAws<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof TransportFailure) throw error.failure;
    const refusal = refusalIn(error);
    if (!refusal) throw unreadable();
    const { code, message, status } = refusal;
    const body: JsonObject = { code, message };
    throw new VendorError(`AWS answered ${status} (${code}): ${message}`, status, body);
  }
}

/** An answer without what every answer to this has. */
export function unreadable(): VendorError {
  return new VendorError("AWS's answer can't be read. Check the configured address and region.");
}

/** AWS's own code of a refusal, e.g. `InvalidPermission.Duplicate`. */
export function awsCode(error: unknown): string | undefined {
  if (!(error instanceof VendorError) || typeof error.body !== "object" || error.body === null) return undefined;
  return "code" in error.body && typeof error.body.code === "string" ? error.body.code : undefined;
}

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly status: number;
}

/** Errors of the SDK that AWS answered have the status in their metadata; those of reading an answer have none, or a success. */
function refusalIn(error: unknown): Refusal | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  const metadata = error.$metadata;
  if (typeof metadata !== "object" || metadata === null || !("httpStatusCode" in metadata)) return undefined;
  const status = metadata.httpStatusCode;
  if (typeof status !== "number" || status < 300) return undefined;
  return { code: error.name, message: error.message, status };
}
