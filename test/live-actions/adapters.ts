import type { Adapter, AdapterCall, AdapterRequest, AdapterResult } from "../../src/live-actions/adapter.ts";

/** What the adapters of a test were asked, in order. */
export interface Asked {
  readonly what: "preview" | "execute" | "rollback";
  readonly request: AdapterRequest;
  readonly credentials?: Readonly<Record<string, string>>;
}

/** An adapter that does what a test says, and notes what it was asked. */
export function scriptedAdapter(
  fields: Partial<Adapter> & {
    readonly asked?: Asked[];
    readonly answer?: (call: AdapterCall) => Promise<AdapterResult>;
  } = {},
): Adapter {
  const { asked = [], answer = succeed, ...rest } = fields;
  return {
    vendorId: "acme",
    capability: "isolate_host",
    description: "Cuts a host off, in a test.",
    credentials: [
      { name: "acme_id", isRequired: true, isSecret: false, description: "Who asks." },
      { name: "acme_token", isRequired: true, isSecret: true, description: "Proves it." },
      { name: "acme_url", isRequired: false, isSecret: false, description: "Where." },
    ],
    impact: "HIGH",
    reversedBy: "unisolate_host",
    isIdempotent: false,
    timeoutMs: 20_000,
    preview(request) {
      asked.push({ what: "preview", request });
      return { host: request.target };
    },
    execute(call) {
      asked.push({ what: "execute", request: requestOf(call), credentials: call.credentials });
      return answer(call);
    },
    ...rest,
  };
}

/** Adapters of these vendors for one capability, each of which needs a secret: `acme_key` of acme. */
export function keyedAdapters(asked: Asked[], vendorIds: readonly string[]): Adapter[] {
  return vendorIds.map((vendorId) => {
    const credentials = [{ name: `${vendorId}_key`, isRequired: true, isSecret: true, description: "Proves it." }];
    return scriptedAdapter({ vendorId, asked, credentials });
  });
}

async function succeed({ target }: AdapterCall): Promise<AdapterResult> {
  return { status: "SUCCEEDED", summary: `Isolated ${target}.`, details: { host: target }, completion: "confirmed" };
}

export function requestOf({ requestId, target, params }: AdapterRequest): AdapterRequest {
  return { requestId, target, params };
}
