import type { Adapter, AdapterRequest } from "./adapter.ts";
import { capabilities } from "./capabilities.ts";
import type { CredentialPlan } from "./credentials.ts";
import { type DispatchResult, failed, resultOfError, simulated } from "./dispatch-result.ts";

/** What is wrong with the request, as a result; undefined where nothing is. Nobody is contacted. */
export function problemOf(adapter: Adapter, request: AdapterRequest): DispatchResult | undefined {
  try {
    const problem = adapter.check?.(request);
    return problem && failed(problem.error, problem.message, { message: problem.message });
  } catch (error) {
    return resultOfError(error);
  }
}

/** What a dry run answers: what would be done, without a credential and without a call. */
export function dryRun(adapter: Adapter, request: AdapterRequest): Promise<DispatchResult> {
  return preview(adapter, request, "this is a dry run, so nobody was contacted.");
}

interface Lack extends Pick<CredentialPlan, "missing" | "isWithheld"> {
  /** Of a rollback: what the adapter previews is what it would undo. */
  readonly isUndoing: boolean;
}

/** What a dispatch answers that lacks credentials; the details name them. */
export async function missingCredentials(
  adapter: Adapter,
  request: AdapterRequest,
  { missing, isWithheld, isUndoing }: Lack,
): Promise<DispatchResult> {
  const verb = missing.length === 1 ? "is" : "are";
  const withheld = isWithheld
    ? " Stored credentials are not sent to an address of the request's own, nor to its own account: give none of them, or all."
    : "";
  const why = `${missing.join(", ")} ${verb} missing, so nobody was contacted.${withheld}`;
  const { capability, vendorId } = adapter;
  const result = isUndoing
    ? simulated(`Simulated the rollback of ${capability} on ${request.target} with ${vendorId}: ${why}`, why, {})
    : await preview(adapter, request, why);
  return { ...result, details: { ...result.details, missing_credentials: [...missing] } };
}

async function preview(adapter: Adapter, request: AdapterRequest, why: string): Promise<DispatchResult> {
  const { capability, vendorId } = adapter;
  const summary = `Simulated ${capability} on ${request.target} with ${vendorId}: ${why}`;
  try {
    return simulated(summary, why, await adapter.preview(request));
  } catch (error) {
    return resultOfError(error);
  }
}

/** What is told of a request beside its result. */
export function requestWarnings(capability: string): readonly string[] {
  if (capabilities.has(capability)) return [];
  return [`The taxonomy of capabilities has no ${capability}.`];
}
