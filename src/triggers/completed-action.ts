import type { EntityManager } from "@mikro-orm/postgresql";
import { newId } from "../core/ids.ts";
import { canonicalJson, type JsonObject, sha256 } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { TriggerCatalogue, TriggerMatch } from "../playbooks/trigger-catalogue.ts";
import type { Chain } from "../runs/chain.ts";
import type { Completion, CompletionNews, TellCompletion } from "../runs/completion.ts";
import type { NoticeFact } from "../runs/events.ts";
import type { RunInfo } from "../runs/new-run.ts";
import { chainRoom, heldBackMessage, itsOwn, tooDeep, tooWide } from "./chain-bounds.ts";

export interface CompletionPorts {
  readonly em: () => EntityManager;
  readonly triggers: Pick<TriggerCatalogue, "matchRemembered">;
}

const type = "action.completed";

/**
 * Says what the end of an action triggers: the event, where a playbook is to start by it, and what is held back so that no chain of
 * completions goes on for ever. The runs are started by whoever dispatches the event, within the same bounds.
 * Rejects while the database is away: to be asked again then.
 */
export function createCompletions({ em, triggers }: CompletionPorts): TellCompletion {
  const match = (tenantId: string, data: JsonObject) => triggers.matchRemembered(tenantId, { type, data });

  const tell = async (completion: Completion, data: JsonObject, matching: ReturnType<typeof match>) => {
    const { run } = completion;
    const matched = await matching;
    if (matched.length === 0) return undefined;
    if (Buffer.byteLength(JSON.stringify(data)) <= limits.contextBytesMax) {
      return newsOf(em, { completion, data, matched });
    }
    // What the event tells is the context of the runs that it starts, which is smaller than an output may be.
    const less: JsonObject = { ...data, output: null, outputOmitted: true };
    const still = await match(run.tenantId, less);
    return still.length === 0 ? undefined : newsOf(em, { completion, data: less, matched: still });
  };

  return (completion) => {
    const data = dataOf(completion);
    const matching = match(completion.run.tenantId, data);
    if (!(matching instanceof Promise) && matching.length === 0) return undefined;
    return tell(completion, data, matching);
  };
}

function dataOf({ run, stepId, status, output = null, action: { name, version, type } }: Completion): JsonObject {
  return {
    action: { name, version, type },
    run: { id: run.id },
    step: stepId,
    status: status.toLowerCase(),
    output,
  };
}

function chainOf({ id, chain, playbookId }: RunInfo): Chain {
  return {
    rootId: chain?.rootId ?? id,
    depth: (chain?.depth ?? 0) + 1,
    playbookIds: [...(chain?.playbookIds ?? []), ...(playbookId === undefined ? [] : [playbookId])],
  };
}

interface Told {
  readonly completion: Completion;
  readonly data: JsonObject;
  readonly matched: readonly TriggerMatch[];
}

async function newsOf(em: CompletionPorts["em"], { completion, data, matched }: Told): Promise<CompletionNews> {
  const { run, stepId, runAttempt, attempt } = completion;
  const chain = chainOf(run);
  const [own = [], others = []] = [true, false].map((isOwn) =>
    matched.filter(({ playbookId }) => chain.playbookIds.includes(playbookId) === isOwn),
  );
  const bound = others.length === 0 ? undefined : await reachedBound(em, run.tenantId, chain);
  const notices = [
    ...(own.length > 0 ? [noticeOf(stepId, own, itsOwn)] : []),
    ...(bound === undefined ? [] : [noticeOf(stepId, others, bound)]),
  ];
  if (others.length === 0 || bound !== undefined) return { events: [], notices };
  const { id: actorId } = run.startedBy;
  const event = {
    id: newId(),
    type,
    key: `${run.id} ${runAttempt} ${stepId} ${attempt}`,
    at: Date.now(),
    data,
    dataHash: sha256(canonicalJson(data)),
    by: { kind: "SYSTEM", name: type, ...(actorId === undefined ? {} : { id: actorId }) },
    runId: run.id,
    stepId,
    chain,
  } as const;
  return { events: [event], notices };
}

async function reachedBound(em: CompletionPorts["em"], tenantId: string, chain: Chain): Promise<string | undefined> {
  if (chain.depth > limits.chainDepthMax) return tooDeep;
  return (await chainRoom(em(), tenantId, chain.rootId)) === 0 ? tooWide : undefined;
}

function noticeOf(stepId: string, heldBack: readonly TriggerMatch[], why: string): NoticeFact {
  const keys = heldBack.map(({ playbookKey }) => playbookKey);
  return { type: "NOTICE", stepId, code: "chain_held_back", message: heldBackMessage(keys, why) };
}
