import { auditRow, type Deed } from "../audit/record-audit.ts";
import { ConflictFailure, type Issue, ValidationFailure } from "../core/failures.ts";
import { newId } from "../core/ids.ts";
import { canonicalJson, isJsonObject, type Json, type JsonObject, sha256, storableJson } from "../core/json.ts";
import { noteBytes } from "../core/json-bytes.ts";
import { limits } from "../core/limits.ts";
import { isNestedDeeper } from "../core/nesting.ts";
import type { Sealer } from "../secrets/seal.ts";
import type { OperationContext } from "../tenancy/operation-context.ts";
import type { Engine } from "./engine.ts";
import { Run } from "./entities.ts";
import { asShown } from "./find-run.ts";
import type { NewRun } from "./new-run.ts";
import { partInputs, type RunInputs } from "./run-inputs.ts";

export interface StartPorts {
  readonly engine: Pick<Engine, "begin">;
  readonly sealer: Sealer;
}

/** What is started, as the operation worked it out. */
export type Start = Pick<NewRun, "kind" | "plan" | "context"> &
  Partial<Pick<NewRun, "playbookId" | "playbookVersionId" | "actionId" | "actionVersionId" | "parameters">> &
  Partial<Pick<NewRun, "dryRun" | "sandbox" | "eventId" | "eventType" | "chain" | "rerunOfId" | "takenOver">> & {
    readonly givenSecrets?: Readonly<Record<string, string>>;
    readonly idempotencyKey?: string | undefined;
    /** All that the caller said, for telling a repetition from another start under the same key. */
    readonly input: Json;
    /** What the audit trail says of it, besides the run's own; nothing for what the product itself starts. */
    readonly deed?: Deed;
    /** Throws where it may not start now. A repetition is not asked: its run has started. */
    readonly check?: () => void | Promise<void>;
  };

/**
 * Makes a run durable and begins it. With an idempotency key, the first start with that key in the tenant is the only one: the same
 * input again answers its run, whatever has changed since.
 * @throws What `check` throws; ConflictFailure `idempotency_conflict` when the key was used with other input; StateFailure `unavailable`.
 */
export async function startRun(ctx: OperationContext, ports: StartPorts, start: Start): Promise<Run> {
  const { givenSecrets = {}, idempotencyKey, input, check, deed, ...rest } = start;
  const inputHash = sha256(canonicalJson(input));
  if (idempotencyKey !== undefined) {
    const known = await findByKey(ctx, idempotencyKey, inputHash);
    if (known) return known;
  }
  await check?.();
  const id = newId();
  const birth: NewRun = {
    ...rest,
    id,
    tenantId: ctx.tenantId,
    startedBy: ctx.actor,
    givenSecrets,
    ...(await sealed(ctx, ports, { id, ...rest, givenSecrets })),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey, inputHash }),
    ...(deed ? { audit: { id: newId(), ...auditRow(withRun(deed, { runId: id, inputHash, ...start })) } } : {}),
  };
  const result = await ports.engine.begin(birth);
  const run = result === "written" ? await findById(ctx, id) : await findByKey(ctx, idempotencyKey ?? "", inputHash);
  if (!run) throw new Error(`Run ${id} is gone.`);
  return run;
}

/** The hash binds the entry to what was given, which may be large and is in the run. */
function withRun(
  deed: Deed,
  {
    runId,
    inputHash,
    dryRun = false,
    sandbox = false,
  }: Pick<Start, "dryRun" | "sandbox"> & Record<"runId" | "inputHash", string>,
): Deed {
  return { ...deed, detail: { ...deed.detail, runId, dryRun, sandbox, inputHash } };
}

/** What the sealed secrets of a run are sealed for. */
export function runSecretsPurpose(tenantId: string, runId: string) {
  return { tenantId, purpose: `run:${runId}` };
}

async function sealed(
  { tenantId }: OperationContext,
  { sealer }: StartPorts,
  { id, ...inputs }: RunInputs & Pick<NewRun, "id">,
): Promise<Pick<NewRun, "sealedSecrets" | "shown">> {
  const { shown, sealable } = partInputs(inputs);
  if (sealable === undefined) return {};
  return { shown, sealedSecrets: await sealer.seal(sealable, runSecretsPurpose(tenantId, id)) };
}

function findById({ em, tenantId }: OperationContext, id: string): Promise<Run | null> {
  return em.findOne(Run, { id, tenantId }, asShown);
}

async function findByKey(
  { em, tenantId }: OperationContext,
  idempotencyKey: string,
  inputHash: string,
): Promise<Run | null> {
  const run = await em.findOne(Run, { tenantId, idempotencyKey }, asShown);
  if (run && run.inputHash !== inputHash) {
    const message = "This idempotencyKey was used for a start with other input. Take a new key for a new start.";
    throw new ConflictFailure("idempotency_conflict", message);
  }
  return run;
}

/**
 * An object that came with a start, bounded and storable.
 * @throws ValidationFailure when it is no object or too large.
 */
export function acceptedObject(value: Json | null | undefined, path: string): JsonObject {
  if (value == null) return {};
  const text = JSON.stringify(value);
  const issues: Issue[] = [];
  if (!isJsonObject(value))
    issues.push({ path, code: "wrong_type", message: 'This is an object, such as {"finding": {…}}.' });
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.contextBytesMax) {
    issues.push({ path, code: "too_large", message: `At most ${limits.contextBytesMax} bytes of JSON.` });
  }
  if (isNestedDeeper(value, limits.documentDepthMax)) {
    issues.push({ path, code: "too_deep", message: `Nested deeper than ${limits.documentDepthMax} levels.` });
  }
  if (issues.length > 0) throw new ValidationFailure(issues);
  const accepted = storableJson(value, text) as JsonObject;
  noteBytes(accepted, bytes);
  return accepted;
}

/** @throws ValidationFailure when the key can't be one. */
export function acceptedKey(key: string | null | undefined): string | undefined {
  if (key == null) return undefined;
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key;
  const message = "An idempotencyKey has 1 to 255 visible ASCII characters.";
  throw new ValidationFailure([{ path: "$.idempotencyKey", code: "invalid_key", message }]);
}
