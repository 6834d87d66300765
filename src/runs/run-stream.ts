import { limits } from "../core/limits.ts";
import { isTerminal, type RunEvent } from "./events.ts";
import type { Hub } from "./hub.ts";

export interface RunStreamPorts {
  readonly hub: Pick<Hub, "onRun">;
  /** Events of the run past a sequence, in order, at most `limits.streamPageMax`. */
  readonly read: (after: number) => Promise<readonly RunEvent[]>;
  /** Ends the stream: the subscriber went away, or may not read any more. */
  readonly signal: AbortSignal;
}

/**
 * Every event of a run past `after`, once, in order and without a gap, until the run has ended.
 * What the hub delivers is used only where it continues what was sent; otherwise, and for a reader that falls behind its bounded queue,
 * the journal is read at the reader's own pace.
 */
export async function* streamRun(ports: RunStreamPorts, runId: string, after: number): AsyncGenerator<RunEvent> {
  const inbox = new Inbox();
  const leave = ports.hub.onRun(runId, (events) => inbox.receive(events));
  const onAbort = () => inbox.wake();
  ports.signal.addEventListener("abort", onAbort);
  try {
    // From the event at the cursor itself: it may have been the last.
    let sequence = Math.max(after - 1, 0);
    while (!ports.signal.aborted) {
      const events = inbox.mustRead ? await readOn(ports, inbox, sequence) : inbox.take(sequence);
      for (const event of events) {
        sequence = event.sequence;
        if (sequence > after) yield event;
        if (event.type === "RUN_STATUS" && isTerminal(event.status)) return;
        if (ports.signal.aborted) return;
      }
      if (events.length === 0 && !inbox.mustRead && !ports.signal.aborted) await inbox.wait(limits.streamPollMs);
    }
  } finally {
    leave();
    ports.signal.removeEventListener("abort", onAbort);
  }
}

async function readOn({ read }: RunStreamPorts, inbox: Inbox, sequence: number): Promise<readonly RunEvent[]> {
  // Set before reading: what becomes durable meanwhile is either in the page or in the queue, or makes another read necessary.
  inbox.mustRead = false;
  const page = await read(sequence);
  if (page.length === limits.streamPageMax) inbox.mustRead = true;
  return page;
}

/** What the hub has delivered and the reader has not taken yet. */
class Inbox {
  /** The journal has, or may have, what the queue has not. */
  mustRead = true;
  #queue: RunEvent[] = [];
  #wake: (() => void) | undefined;

  receive(events: readonly RunEvent[] | undefined): void {
    if (events === undefined || this.#queue.length + events.length > limits.subscriberQueueMax) {
      this.#queue = [];
      this.mustRead = true;
    } else if (!this.mustRead) this.#queue.push(...events);
    this.wake();
  }

  /** The queued events that continue what was sent; a gap sends the reader to the journal. */
  take(sequence: number): readonly RunEvent[] {
    const events = this.#queue.filter((event) => event.sequence > sequence);
    this.#queue = [];
    const isGapless = events.every((event, index) => event.sequence === sequence + 1 + index);
    if (!isGapless) this.mustRead = true;
    return isGapless ? events : [];
  }

  /** Resolves at the next delivery; after `pollMs` without one, the journal is to be looked at. */
  async wait(pollMs: number): Promise<void> {
    if (this.#queue.length > 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(() => {
      this.mustRead = true;
      resolve();
    }, pollMs);
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }

  wake(): void {
    this.#wake?.();
  }
}
