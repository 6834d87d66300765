import { z } from "zod";
import { isJsonObject, type Json, type JsonObject } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { Adapter, AdapterCall, AdapterRequest, AdapterResult } from "../adapter.ts";
import { awaitCompletion } from "../await-completion.ts";
import { failed, readAnswer } from "../vendor-answer.ts";
import { askElastic, askElasticFor, elasticCredentials } from "./elastic-api.ts";
import { keepPrior, readPrior } from "./prior-version.ts";
import {
  explained,
  InvalidRequest,
  invalid,
  previewed,
  problemIn,
  readFlag,
  readObject,
  readTarget,
  readText,
} from "./read-params.ts";

/**
 * Puts a watch in place of the one that is there, or where none is, and activates it. The former watch is kept in the details for a rollback.
 * @see "Create or update a watch", "Get a watch" and "Activate a watch" in the Elasticsearch API reference, 2026-11; needs manage_watcher.
 */
export const updateWatcher: Adapter = {
  vendorId: "elastic",
  capability: "update_watcher",
  description:
    "Creates or replaces the watch that the target (or watcher_id) names by watcher_body, and activates it unless activate is false; then it stays as active as it was, and a new one is not.",
  credentials: elasticCredentials,
  impact: "MODERATE",
  reversedBy: "update_watcher",
  isIdempotent: true,
  timeoutMs: 60_000,
  check: (request) => problemIn(() => readWatch(request)),
  preview: (request) => previewed(() => previewOf(readWatch(request))),
  execute: (call) => explained(() => update(call)),
  rollback: (call, details) => explained(() => rollback(call, details)),
};

interface Wanted {
  readonly id: string;
  readonly body: JsonObject;
  readonly activates: boolean;
}

/** @throws InvalidRequest */
function readWatch(request: AdapterRequest): Wanted {
  const { params } = request;
  const bounds = { lengthMax: limits.nameLengthMax };
  const id = readText(params, "watcher_id", bounds) ?? readTarget(request, bounds);
  // Elasticsearch takes no blanks in the id of a watch.
  if (id === undefined || /\s/.test(id) || /^\.{1,2}$/.test(id)) {
    throw new InvalidRequest(
      "invalid_target",
      "The target (or `watcher_id`) is to be the id of a watch, without blanks.",
    );
  }
  const body = readObject(params, "watcher_body");
  if (body === undefined || Object.keys(body).length === 0)
    throw invalid("Give `watcher_body`: the watch as Elasticsearch takes it.");
  return { id, body, activates: readFlag(params, "activate", true) };
}

function previewOf({ id, body, activates }: Wanted): JsonObject {
  return { watcher_id: id, activates, sections: Object.keys(body) };
}

interface Stored {
  readonly watch: JsonObject;
  readonly isActive: boolean;
  /** Where it stands among the changes of its index: a change that somebody made since is not overwritten. */
  readonly position: Readonly<Record<string, string>>;
}

async function readStored(call: AdapterCall, id: string): Promise<Stored | undefined> {
  const answer = await askElasticFor(call, { method: "GET", path: watchPath(id) });
  if (!answer) return undefined;
  const { watch, status, _seq_no, _primary_term } = readAnswer(answer, storedShape);
  const position = { if_seq_no: String(_seq_no), if_primary_term: String(_primary_term) };
  return { watch, isActive: status.state.active, position };
}

const storedShape = z.object({
  watch: z.record(z.string(), z.json()),
  status: z.object({ state: z.object({ active: z.boolean() }) }),
  _seq_no: z.number().int(),
  _primary_term: z.number().int(),
});

function watchPath(id: string): string[] {
  return ["_watcher", "watch", id];
}

async function update(call: AdapterCall): Promise<AdapterResult> {
  const { id, body, activates } = readWatch(call);
  const before = await readStored(call, id);
  const active = activates || before?.isActive === true;
  const query = { active: String(active), ...before?.position };
  const put = readAnswer(await askElastic(call, { method: "PUT", path: watchPath(id), query, json: body }), putShape);
  const details = {
    watcher_id: id,
    activated: active,
    created: put.created,
    version: put._version,
    ...(before && keepPrior({ watch: before.watch, active: before.isActive })),
  };
  // It was put as an active one: this makes sure. Whatever comes of it, a rollback needs to be told what was there before.
  const seen = activates
    ? await awaitCompletion(call.http, () => activate(call, id), { isOver: () => true })
    : undefined;
  if (seen?.last === false) {
    const summary = `The watch ${id} was put, and is not active.`;
    return { ...failed("not_activated", summary, { ...details, activated: false }), isPartial: true };
  }
  return {
    status: "SUCCEEDED",
    summary: `${put.created ? "Created" : "Replaced"} the watch ${id}${active ? "; it is active" : "; it is not active"}.`,
    details,
    completion: seen === undefined || seen.isOver ? "confirmed" : "accepted",
    warnings: [...(seen?.warnings ?? []), ...(before && hasHiddenSecret(before.watch) ? [hiddenSecret] : [])],
  };
}

const hiddenSecret = "The former watch holds a secret, which Elasticsearch shows to nobody: it can't be rolled back.";

const putShape = z.object({ _id: z.string(), created: z.boolean(), _version: z.number().int() });

async function activate(call: AdapterCall, id: string): Promise<boolean> {
  const answer = await askElastic(call, { method: "PUT", path: [...watchPath(id), "_activate"] });
  return readAnswer(answer, activatedShape).status.state.active;
}

const activatedShape = z.object({ status: z.object({ state: z.object({ active: z.boolean() }) }) });

async function rollback(call: AdapterCall, details: JsonObject): Promise<AdapterResult> {
  const { watcher_id: id, created } = details;
  if (typeof id !== "string") return failed("nothing_kept", "The details of the call do not name a watch.");
  if (created === true) {
    const deleted = await askElasticFor(call, { method: "DELETE", path: watchPath(id) });
    const summary = deleted ? `Deleted the watch ${id} again.` : `The watch ${id} was gone already.`;
    return { status: "SUCCEEDED", summary, details: { watcher_id: id, deleted: deleted !== undefined } };
  }
  const read = readPrior(details, `the watch ${id}`);
  if ("failure" in read) return read.failure;
  const { watch, active } = read.prior;
  if (!isJsonObject(watch))
    return failed("nothing_kept", `The details of the call do not say what the watch ${id} was.`);
  if (hasHiddenSecret(watch)) {
    const summary = `The former watch ${id} holds a secret that Elasticsearch did not show. Put it back by hand.`;
    return failed("secret_not_kept", summary, { watcher_id: id });
  }
  const query = { active: String(active === true) };
  readAnswer(await askElastic(call, { method: "PUT", path: watchPath(id), query, json: watch }), putShape);
  const summary = `Put back the former watch ${id}.`;
  return { status: "SUCCEEDED", summary, details: { watcher_id: id, restored: true, active: active === true } };
}

/** What Elasticsearch shows in place of passwords and the like. */
function hasHiddenSecret(watch: Json): boolean {
  return JSON.stringify(watch).includes("::es_redacted::");
}
