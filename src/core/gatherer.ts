import { limits } from "./limits.ts";

/** Lets those who want the same kind of thing at the same time be served together. */
export interface Gatherer<Member> {
  /** False where too many wait already: then the member has to be served alone. */
  gather(key: string, member: Member): boolean;
}

/** What is under way for one key, and who waits for what comes next. */
interface Gathering<Member> {
  waiting: Member[];
  underWay: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * As the journal commits: one answer of a key is under way, and who asks meanwhile waits for the next, which begins when that has ended. So
 * everybody is answered by work that began after they asked, which is what lets them read what they wrote. What is slow holds nobody up for
 * longer than `limits.gatherWaitMs`: then the next begins beside it, unless `besideMax` of a key are under way.
 * @param answer Serves all that have gathered; settles when it has, and does not reject.
 */
export function createGatherer<Member>(
  answer: (members: readonly Member[]) => Promise<void>,
  waitMs: number = limits.gatherWaitMs,
  besideMax: number = Number.POSITIVE_INFINITY,
): Gatherer<Member> {
  const gatherings = new Map<string, Gathering<Member>>();

  const begin = async (key: string, gathering: Gathering<Member>): Promise<void> => {
    clearTimeout(gathering.timer);
    // Where as many are under way as may be, the next begins when one of them has ended.
    if (gathering.waiting.length === 0 || gathering.underWay >= besideMax) return;
    const members = gathering.waiting;
    gathering.waiting = [];
    gathering.underWay += 1;
    await answer(members);
    gathering.underWay -= 1;
    if (gathering.waiting.length > 0) setImmediate(begin, key, gathering);
    else if (gathering.underWay === 0) gatherings.delete(key);
  };

  const open = (key: string): Gathering<Member> => {
    const gathering = { waiting: [], underWay: 0, timer: undefined };
    gatherings.set(key, gathering);
    return gathering;
  };

  return {
    gather(key, member) {
      const known = gatherings.get(key);
      if (known ? known.waiting.length >= limits.gatheredMax : gatherings.size >= limits.gatherKeysMax) {
        return false;
      }
      const gathering = known ?? open(key);
      gathering.waiting.push(member);
      if (gathering.waiting.length > 1) return true;
      // At the end of this turn: what came in with it is served with it.
      if (gathering.underWay === 0) setImmediate(begin, key, gathering);
      else gathering.timer = setTimeout(begin, waitMs, key, gathering);
      return true;
    },
  };
}
