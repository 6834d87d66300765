import { DomainFailure } from "../core/failures.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { LiveActionDispatch } from "../live-actions/entities.ts";
import type { StepRequest, StepRequestKey } from "../live-actions/step-dispatches.ts";
import type { PlanLiveActionStep } from "../playbooks/plan.ts";
import { refusals, unknownEffects } from "./outcome-rules.ts";
import type { Conversation, StepOutcome, StepPorts, StepStart } from "./step-ports.ts";
import { storableOutcome } from "./storable-outcome.ts";

/** A live action whose request is known, or what is known of one that a dead node may have made. */
export interface LiveActionWork<Request extends StepRequestKey = StepRequest> {
  readonly start: StepStart;
  readonly step: PlanLiveActionStep;
  readonly request: Request;
  /** A dispatch of this request may be there already. */
  readonly isAgain: boolean;
}

/**
 * Dispatches a live action and waits until it has ended, with people's decision where one is needed: only the vendor's call takes a slot. Where
 * nobody knows whether a call took effect, it is made again if doing it twice is doing it once. Never rejects.
 */
export function performLiveAction(
  ports: StepPorts,
  work: LiveActionWork,
  conversation: Conversation,
): Promise<StepOutcome> {
  return perform(ports, work, conversation, (request) => ports.liveActions.dispatch(request));
}

/** The same for a step that is to end: dispatches nothing, and asks people no more. */
export function endLiveAction(
  ports: StepPorts,
  work: LiveActionWork<StepRequestKey>,
  conversation: Conversation,
): Promise<StepOutcome> {
  return perform(ports, work, conversation, async () => undefined);
}

type Dispatch<Request> = (request: Request) => Promise<LiveActionDispatch | undefined>;

async function perform<Request extends StepRequestKey>(
  ports: StepPorts,
  work: LiveActionWork<Request>,
  conversation: Conversation,
  dispatch: Dispatch<Request>,
): Promise<StepOutcome> {
  const { request, step, start } = work;
  let last: Ended | undefined;
  for (let calls = 0; calls <= limits.interruptionsMax; calls += 1) {
    const requestId = calls === 0 ? request.requestId : `${request.requestId}:again${calls}`;
    const ended = await once(ports, { ...work, request: { ...request, requestId } }, conversation, dispatch);
    if (ended === undefined) break;
    last = ended;
    if (!("dispatch" in ended) || !isMadeAgain(ports, step, ended.dispatch)) break;
  }
  if (!last) return { status: "CANCELLED" };
  return "dispatch" in last ? outcomeOf(ports, last.dispatch, start) : last.outcome;
}

/** Where its node stopped, or was too slow, before it called the vendor, or where nobody knows and doing it twice is doing it once. */
function isMadeAgain({ liveActions }: StepPorts, step: PlanLiveActionStep, dispatch: LiveActionDispatch): boolean {
  if (dispatch.error === "server_stopping" || dispatch.error === "node_too_slow") return true;
  return dispatch.error === "effect_unknown" && step.onInterrupt !== "fail" && liveActions.isRepeatable(dispatch);
}

/** A dispatch that has ended, or how the step ends without. */
type Ended = { readonly dispatch: LiveActionDispatch } | { readonly outcome: StepOutcome };

/** Undefined where nothing was asked of anybody, or nobody is to hear of it here any more. */
async function once<Request extends StepRequestKey>(
  ports: StepPorts,
  work: LiveActionWork<Request>,
  conversation: Conversation,
  dispatch: Dispatch<Request>,
): Promise<Ended | undefined> {
  const { liveActions } = ports;
  const { request, isAgain } = work;
  const asked = await untilAnswered(ports, work, conversation, async () => {
    const { signal, inSlot } = conversation;
    const known = isAgain || signal.aborted ? await liveActions.find(request) : undefined;
    return known ?? (await inSlot(() => dispatch(request))) ?? (isAgain ? liveActions.find(request) : undefined);
  });
  if (asked === undefined || "outcome" in asked) return asked;
  return asked.dispatch.state === "COMPLETED" ? asked : waitFor(ports, work, conversation, asked.dispatch);
}

/** Waits for people or for another node. Told to stop, it asks people no more; what a vendor was asked already is waited for. */
async function waitFor(
  ports: StepPorts,
  work: LiveActionWork<StepRequestKey>,
  conversation: Conversation,
  dispatch: LiveActionDispatch,
): Promise<Ended | undefined> {
  const { liveActions, now } = ports;
  const { signal, lost } = conversation;
  const time = new AbortController();
  const { timeoutMs } = work.step;
  const leftMs = timeoutMs === undefined ? undefined : dispatch.createdAt.getTime() + timeoutMs - now();
  const timer = leftMs === undefined ? undefined : setAlarm(leftMs, () => time.abort());
  const ended = await liveActions.ended(dispatch, AbortSignal.any([signal, time.signal]));
  timer?.clear();
  if (ended) return { dispatch: ended };
  if (lost.aborted) return undefined;
  const why = signal.aborted ? cancelled : timedOut;
  return untilAnswered(ports, work, conversation, async () => {
    if (await liveActions.withdraw(dispatch, why)) return { outcome: why.outcome };
    return liveActions.ended(dispatch, lost);
  });
}

const cancelled = {
  error: "cancelled",
  summary: "The step that asked for it was ended before anybody decided, so nobody was contacted.",
  outcome: { status: "CANCELLED" } satisfies StepOutcome,
};
const timedOut = {
  error: "timed_out",
  summary: "Nobody decided within the time of the step, so nobody was contacted.",
  outcome: {
    status: "TIMED_OUT",
    error: { code: "timed_out", message: "Nobody decided within the time of the step, so nobody was contacted." },
    isFinal: true,
  } satisfies StepOutcome,
};

type Answer = LiveActionDispatch | { readonly outcome: StepOutcome } | undefined;

/** A database that is away is not the step's fault: it waits, as long as the run is ours. */
async function untilAnswered(
  { log }: StepPorts,
  { start }: Pick<LiveActionWork, "start">,
  { lost }: Conversation,
  ask: () => Promise<Answer>,
): Promise<Ended | undefined> {
  while (!lost.aborted) {
    try {
      const answer = await unlessLost(lost, ask());
      if (answer === undefined) return undefined;
      return "outcome" in answer ? answer : { dispatch: answer };
    } catch (error) {
      if (error instanceof DomainFailure) return { outcome: refused(error) };
      const message = error instanceof Error ? error.message : String(error);
      log.warn({ runId: start.run.id, step: start.stepId, message }, "step.live_action_unanswered");
      await new Promise((resolve) => setTimeout(resolve, limits.prepareRetryMs));
    }
  }
  return undefined;
}

/** A node that gives the run up does not wait for the vendor: the dispatch's row tells the next owner. */
function unlessLost<T>(lost: AbortSignal, answer: Promise<T>): Promise<T | undefined> {
  if (lost.aborted)
    return answer.then(
      () => undefined,
      () => undefined,
    );
  return new Promise((resolve, reject) => {
    const leave = () => resolve(undefined);
    lost.addEventListener("abort", leave, { once: true });
    answer.then(resolve, reject).finally(() => lost.removeEventListener("abort", leave));
  });
}

function refused({ code, message }: DomainFailure): StepOutcome {
  return { status: "FAILED", error: { code, message }, isFinal: true };
}

/** The vendor may have done it, so another try might do it twice. */
const notAgain = " It is not tried again, since nobody knows whether it took effect: a person has to look.";

/** Where a person has to look, or has said no: asking again is nobody's wish. */
const final: ReadonlySet<string | null | undefined> = new Set(["effect_unknown", ...refusals]);

function outcomeOf(
  { liveActions }: StepPorts,
  dispatch: LiveActionDispatch,
  { outputs }: Pick<StepStart, "outputs">,
): StepOutcome {
  const { status, summary, error, warnings } = dispatch;
  const output = outputOf(dispatch, outputs());
  const told = warnings?.length ? { warnings } : {};
  switch (status) {
    case "SUCCEEDED":
    case "SIMULATED":
      return { status, output, ...told };
    case "FAILED": {
      const isUnclear = isEffectUnknown(dispatch) && !liveActions.isRepeatable(dispatch);
      const message = `${summary ?? "It failed."}${isUnclear ? notAgain : ""}`;
      const isFinal = isUnclear || final.has(error);
      // Whoever reads the run has to see that it is no plain refusal.
      const code = isUnclear && error === "vendor_error" ? "effect_unknown" : (error ?? "Error");
      return { status, error: { code, message }, output, ...told, ...(isFinal && { isFinal }) };
    }
    default:
      throw new Error(`Dispatch ${dispatch.id} has not ended.`);
  }
}

/**
 * Whether it may have taken effect. So may what a vendor answers with an error of its own, in the middle of what it did, or with a success that can't
 * be read; 503 says that it did not begin (RFC 9110, section 15.6.4).
 */
function isEffectUnknown({ mode, error, details }: LiveActionDispatch): boolean {
  if (mode === "DRY_RUN") return false;
  if (error !== "vendor_error") return unknownEffects.has(error);
  const status = (details as JsonObject | null)?.["status"];
  return typeof status === "number" && (status < 300 || (status >= 500 && status !== 503));
}

/** What took effect is not told as a failure for the size of its details. */
function outputOf(dispatch: LiveActionDispatch, others: Iterable<Json | undefined>): Json {
  const { requestId, status, summary, details, vendorId } = dispatch;
  const whole = {
    requestId,
    status: String(status).toLowerCase(),
    summary,
    details,
    vendorId: vendorId ?? null,
  } as Json;
  const isTooLarge = storableOutcome({ status: "SUCCEEDED", output: whole }, others).status === "FAILED";
  return isTooLarge ? { ...(whole as object), details: { is_truncated: true } } : whole;
}

/** A timer for any time: Node's own go no further than 25 days. */
function setAlarm(ms: number, ring: () => void): { clear(): void } {
  const partMs = Math.min(Math.max(ms, 0), 2 ** 31 - 1);
  let next: { clear(): void } | undefined;
  const timer = setTimeout(() => {
    if (partMs >= ms) ring();
    else next = setAlarm(ms - partMs, ring);
  }, partMs);
  return {
    clear() {
      clearTimeout(timer);
      next?.clear();
    },
  };
}
