import type { IncomingMessage, ServerResponse } from "node:http";
import type { DocumentNode } from "graphql";
import { createGatherer } from "../core/gatherer.ts";
import { canonicalJson, type Json } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { isNestedDeeper } from "../core/nesting.ts";
import { type Answer, answerOf, mediaTypeOf, sendAnswer } from "./answer.ts";
import type { Context } from "./builder.ts";
import type { Caller, Pipeline } from "./pipeline.ts";
import type { RequestParams } from "./request-params.ts";

/** Who asks, as far as answers depend on it. */
export interface Asker {
  /** Equal for callers who are answered alike in all that is not about themselves: of one tenant, with the same roles and permissions. */
  readonly scope: string;
  /** Who it is; with the scope, all that any answer depends on. */
  readonly identity: string;
  /** The context of one execution. `onLook` is called whenever something in it looks at who asks. */
  open(onLook: () => void): Context;
}

/** Answers concurrent queries that are the same by one execution and the same bytes. */
export interface SharedQueries {
  /** False where this one has to be answered alone; nothing was sent then. */
  answer(query: SharedQuery, response: ServerResponse): Promise<boolean>;
}

export interface SharedQuery {
  readonly document: DocumentNode;
  readonly params: RequestParams;
  readonly caller: Caller;
  readonly request: IncomingMessage;
}

interface SharedQueriesParts {
  readonly pipeline: Pick<Pipeline, "run">;
  /** Undefined for who shares with nobody, such as whoever is not signed in. */
  askerOf(caller: Caller): Promise<Asker | undefined>;
  readonly waitMs?: number | undefined;
}

/** One who waits. */
interface Member extends Pick<SharedQuery, "document" | "params" | "caller"> {
  readonly asker: Asker;
  readonly isGone: () => boolean;
  /** Undefined: has to be answered alone. */
  readonly resolve: (answer: Answer | undefined) => void;
}

/**
 * Callers share an answer within their scope. What an answer says about its caller, only an execution shows: one that looked at who asks
 * serves that caller alone, the others ask again each for themselves, and so does everybody who sends this document from then on.
 */
export function createSharedQueries({ pipeline, askerOf, waitMs }: SharedQueriesParts): SharedQueries {
  const aboutCaller = new WeakSet<DocumentNode>();
  const keyOf = createKeys(aboutCaller);
  const serve = async (members: readonly Member[]): Promise<void> => {
    const there = members.filter((member) => !member.isGone());
    const [first] = there;
    if (!first) return settle(members, undefined);
    try {
      let hasLooked = false;
      const onLook = () => {
        hasLooked = true;
        aboutCaller.add(first.document);
      };
      const { params, caller, asker } = first;
      const answer = answerOf(await pipeline.run({ ...params, caller, context: asker.open(onLook) }));
      const isServed = (member: Member) => !hasLooked || member.asker.identity === asker.identity;
      settle(members.filter(isServed), answer);
      for (const member of members) if (!isServed(member)) join(member);
    } catch {
      // What can't be put together or sent: told where each is answered alone.
      settle(members, undefined);
    }
  };
  const { gather } = createGatherer(serve, waitMs);
  const join = (member: Member) => {
    const key = keyOf(member);
    if (key === undefined || !gather(key, member)) member.resolve(undefined);
  };

  return {
    async answer({ document, params, caller, request }, response) {
      const mediaType = mediaTypeOf(request.headers.accept);
      const asker = mediaType && (await askerOf(caller).catch(() => undefined));
      if (!asker) return false;
      const isGone = () => response.closed || response.destroyed;
      const answer = await new Promise<Answer | undefined>((resolve) =>
        join({ document, params, caller, asker, isGone, resolve }),
      );
      if (isGone()) return true;
      if (!answer) return false;
      sendAnswer(response, mediaType, answer);
      return true;
    },
  };
}

function settle(members: readonly Member[], answer: Answer | undefined): void {
  for (const { resolve } of members) resolve(answer);
}

/** What queries are the same by; undefined for variables too large or too deep to be compared. */
function createKeys(aboutCaller: WeakSet<DocumentNode>) {
  const numbers = new WeakMap<DocumentNode, number>();
  let last = 0;
  return ({ document, params, asker }: Pick<Member, "document" | "params" | "asker">): string | undefined => {
    const { operationName, variables } = params;
    if (isNestedDeeper(variables ?? {}, limits.requestDepthMax)) return undefined;
    const number = numbers.get(document) ?? ++last;
    numbers.set(document, number);
    const identity = aboutCaller.has(document) ? asker.identity : null;
    const variablesText = canonicalJson((variables ?? {}) as Json);
    if (variablesText.length > limits.sharedQueryVariablesLengthMax) return undefined;
    return JSON.stringify([number, operationName ?? null, asker.scope, identity, variablesText]);
  };
}
