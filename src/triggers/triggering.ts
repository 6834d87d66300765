import { setTimeout as sleep } from "node:timers/promises";
import { limits } from "../core/limits.ts";
import { createDispatch, type Dispatch, type DispatchPorts } from "./dispatch-event.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Scheduler } from "./scheduler.ts";

export interface TriggeringPorts extends DispatchPorts {
  readonly engine: DispatchPorts["engine"] & { isReady(): boolean };
}

/** What of this room is at work on a node. */
export interface Triggering {
  readonly dispatch: Dispatch;
  /** Runs of this node have told events. */
  wake(): void;
  start(): void;
  /** Resolves when nothing starts runs any more, or the database has kept it waiting for `limits.drainMs`; before the engine is stopped. */
  stop(): Promise<void>;
}

export function createTriggering(ports: TriggeringPorts): Triggering {
  const { em, log, engine } = ports;
  const dispatch = createDispatch(ports);
  const dispatcher = new Dispatcher({ em, dispatch, isReady: () => engine.isReady(), log });
  const scheduler = new Scheduler({ em, onTicked: () => dispatcher.wake(), log });
  return {
    dispatch,
    wake: () => dispatcher.wake(),
    start() {
      dispatcher.start();
      scheduler.start();
    },
    async stop() {
      const stopped = Promise.all([scheduler.stop(), dispatcher.stop()]);
      await Promise.race([stopped, sleep(limits.drainMs, undefined, { ref: false })]);
    },
  };
}
