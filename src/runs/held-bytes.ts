import type { Json } from "../core/json.ts";
import { knownBytes } from "../core/json-bytes.ts";
import { limits } from "../core/limits.ts";
import { isTerminal, type RunEvent } from "./events.ts";
import type { RunState } from "./fold.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { NewRun } from "./new-run.ts";

/** A run itself, and one step of it, besides what may be large: its fields, its place in maps, what waits for it. */
const runBytes = 4_000;
const stepBytes = 1_000;
/** A JSON text of so many bytes is not looked into. In memory it takes up to so many times as much, as short texts and numbers do. */
const smallBytes = 16 * 1024;
const smallFactor = 4;
/** An object or a list, a text besides its characters, and the place of a value in what it stands in (64-bit V8, 2026-11). */
const containerBytes = 40;
const textBytes = 24;
const placeBytes = 8;
/** The most that PostgreSQL's integer holds. */
const intMax = 2 ** 31 - 1;

/** Beyond as much, a value that gives way to another is counted exactly. */
const largeBytes = smallBytes * smallFactor;

/** About the bytes that a value takes in memory. What is small and was measured before, about as its JSON (`known`), is not walked. */
export function heldBytes(value: Json | undefined, known = measuredBytes(value)): number {
  if (value === undefined) return 0;
  return known > 0 && known <= smallBytes ? known * smallFactor : walkedBytes(value);
}

function measuredBytes(value: Json | undefined): number {
  return typeof value === "object" ? knownBytes(value) : 0;
}

// With a list of what is still to come: a deep value must not overflow the stack.
function walkedBytes(value: Json): number {
  let bytes = 0;
  const open: Json[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    bytes += placeBytes;
    if (typeof next === "string") bytes += textBytes + next.length;
    else if (typeof next === "object" && next !== null) {
      bytes += containerBytes;
      for (const inner of Array.isArray(next) ? (next as readonly Json[]) : Object.values(next)) open.push(inner);
    }
  }
  return bytes;
}

/** What a run that begins will hold. */
export function birthBytes({
  context,
  parameters,
  takenOver = [],
}: Pick<NewRun, "context" | "parameters" | "takenOver">) {
  let bytes = runBytes + heldBytes(context) + heldBytes(parameters);
  for (const fact of takenOver) {
    if (fact.type === "STEP_STATUS") bytes += stepBytes + heldBytes(fact.input) + heldBytes(fact.output);
  }
  return bytes;
}

/** A large argument list or output: which, and its bytes. */
interface Large {
  readonly value: Json | undefined;
  readonly bytes: number;
}

/**
 * What one run holds in memory, told to the node's budget as it changes: its inputs, and the arguments and outputs of its steps. It is asked for every
 * step, so what is small is only added up: what a retry gives back of that counts on until the run leaves memory, or begins again as a whole.
 */
export class HeldBytes {
  readonly #memory: MemoryBudget;
  readonly #base: number;
  readonly #largeInputs = new LargeValues();
  readonly #largeOutputs = new LargeValues();
  /** What was counted last: the run hears of it again a little later. */
  #lastInput: Json | undefined;
  #lastOutput: Json | undefined;
  #stepCount = 0;
  #total: number;
  /** What the run's row says, or will. */
  #noted = 0;
  #isIn = false;

  constructor(memory: MemoryBudget, info: Pick<NewRun, "context" | "parameters">, run: RunState) {
    this.#memory = memory;
    this.#base = runBytes + heldBytes(info.context) + heldBytes(info.parameters);
    this.#total = this.#base;
    this.#countSteps(run);
    memory.enter(this);
    this.#isIn = true;
  }

  get total(): number {
    return this.#total;
  }

  /** Whether the run's row is to be told how much it has become. */
  isNews(): boolean {
    return this.#total - this.#noted > limits.heldLagBytes;
  }

  /** What the run's row is to say. */
  note(): number {
    this.#noted = this.#total;
    return Math.min(this.#total, intMax);
  }

  /** These are the step's arguments now. @param least Of them, where that is known ({@link leastJsonBytes}). */
  keepInput(stepId: string, input: Json, least?: number): void {
    if (input === this.#lastInput) return;
    this.#lastInput = input;
    this.#change(this.#largeInputs.keep(stepId, input, heldBytes(input, least)));
  }

  /** This is the step's output now. */
  keepOutput(stepId: string, output: Json | undefined): void {
    if (output === this.#lastOutput && output !== undefined) return;
    this.#lastOutput = output;
    this.#change(this.#largeOutputs.keep(stepId, output, heldBytes(output)));
  }

  /** What an event changes of it; `run` is the run after it. */
  hear(event: RunEvent, run: RunState): void {
    if (event.type === "STEP_STATUS") {
      if (event.input !== undefined) this.keepInput(event.stepId, event.input);
      // Branches may have an outcome by now that the run is about to hear of.
      if (event.output !== undefined || isTerminal(event.status)) this.keepOutput(event.stepId, event.output);
      if (run.steps.size !== this.#stepCount) this.#change(this.#newSteps(run));
    } else if (event.type === "RUN_STATUS" && run.steps.size < this.#stepCount) this.#beginAgain(run);
  }

  /** It leaves memory as soon as what was handed over is durable. */
  go(): void {
    if (this.#isIn) this.#memory.go(this);
  }

  /** It is out of memory. */
  leave(): void {
    if (!this.#isIn) return;
    this.#isIn = false;
    this.#memory.leave(this);
  }

  /** A new attempt of the run knows nothing of the steps of the last, but what was taken over. */
  #beginAgain(run: RunState): void {
    this.#largeInputs.clear();
    this.#largeOutputs.clear();
    this.#lastInput = undefined;
    this.#lastOutput = undefined;
    this.#stepCount = 0;
    this.#change(this.#base - this.#total);
    this.#countSteps(run);
  }

  #countSteps(run: RunState): void {
    this.#change(this.#newSteps(run));
    for (const { stepId, input, output } of run.steps.values()) {
      if (input !== undefined) this.keepInput(stepId, input);
      this.keepOutput(stepId, output);
    }
  }

  #newSteps({ steps }: RunState): number {
    const bytes = (steps.size - this.#stepCount) * stepBytes;
    this.#stepCount = steps.size;
    return bytes;
  }

  #change(bytes: number): void {
    this.#total += bytes;
    if (this.#isIn) this.#memory.change(bytes);
  }
}

/** The large ones of a run's arguments or outputs, by step. */
class LargeValues {
  #bySteps: Map<string, Large> | undefined;

  /** Keeps the value of a step in place of another. @returns By how many bytes that is more. */
  keep(stepId: string, value: Json | undefined, bytes: number): number {
    const before = this.#bySteps?.get(stepId);
    if (before && before.value === value) return 0;
    if (bytes > largeBytes) {
      this.#bySteps ??= new Map();
      this.#bySteps.set(stepId, { value, bytes });
    } else if (before) this.#bySteps?.delete(stepId);
    return bytes - (before?.bytes ?? 0);
  }

  clear(): void {
    this.#bySteps = undefined;
  }
}
