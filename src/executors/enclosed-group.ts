import { constants } from "node:os";
import { AttemptRefused } from "../core/attempt-refused.ts";
import type { Follow, ProcessEnd } from "../scripts/script-process.ts";
import { watchMemory } from "./script-memory.ts";

/** Looks after the group of one script that an enclosure runs. @param memoryBytesMax What all its processes may hold together. */
export function followEnclosed(memoryBytesMax: number): Follow {
  return (group, words, kill) => {
    // The first process says when it has come as far as the script.
    let isReady = false;
    words.on("data", () => {
      isReady = true;
    });
    // At once: it could take as much again while it is asked to end.
    const leave = watchMemory(group, memoryBytesMax, () => kill("memory_exceeded"));
    return {
      leave,
      terminate: () => void words.write("terminate\n"),
      endOf(end) {
        if (isReady || end.stopped !== undefined) return { ...end, ...signalIn(end) };
        throw new AttemptRefused("isolation_failed", "The script was not run: it could not be isolated this time.");
      },
    };
  };
}

/** Shells tell a signal as 128 and its number, and an enclosure ends as its script did by that rule. */
function signalIn({ exitCode }: ProcessEnd): Pick<ProcessEnd, "exitCode" | "exitSignal"> {
  const code = exitCode ?? 0;
  const signal = Object.entries(constants.signals).find(([, number]) => number === code - 128);
  return signal && code > 128
    ? { exitCode: null, exitSignal: signal[0] as NodeJS.Signals }
    : { exitCode, exitSignal: null };
}
