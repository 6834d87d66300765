import { createGatherer } from "./gatherer.ts";
import { limits } from "./limits.ts";

interface GatheredOptions<Item, Answer> {
  /** Does what several want as one, and answers in their order. All of them are of one key, and at most `limits.togetherMax`. */
  together(items: readonly Item[]): Promise<readonly Answer[]>;
  /** Only what has the same key is done together. */
  keyOf(item: Item): string;
  /** True for an error that one of them may be the cause of, with nothing done: then each is tried alone, and only that one fails. */
  mayBeOfOne(error: unknown): boolean;
}

interface Member<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** Work that is done for several at once as a function of one: what is wanted while some is under way is done together next. */
export function gathered<Item, Answer>(options: GatheredOptions<Item, Answer>): (item: Item) => Promise<Answer> {
  const { together, keyOf, mayBeOfOne } = options;

  const serve = async (members: readonly Member<Item, Answer>[]): Promise<void> => {
    try {
      const answers = await together(members.map(({ item }) => item));
      for (const [index, { resolve }] of members.entries()) resolve(answers[index] as Answer);
    } catch (error) {
      if (members.length > 1 && mayBeOfOne(error)) for (const member of members) await serve([member]);
      else for (const { reject } of members) reject(error);
    }
  };

  const serveAll = async (members: readonly Member<Item, Answer>[]): Promise<void> => {
    for (let start = 0; start < members.length; start += limits.togetherMax) {
      await serve(members.slice(start, start + limits.togetherMax));
    }
  };

  const gatherer = createGatherer(serveAll, limits.gatherWaitMs, limits.togetherBesideMax);
  return (item) =>
    new Promise((resolve, reject) => {
      const member = { item, resolve, reject };
      if (!gatherer.gather(keyOf(item), member)) void serve([member]);
    });
}
