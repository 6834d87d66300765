import type { TestServer } from "../support/server.ts";
import { documentFor, type RootField } from "./generated-documents.ts";
import { type References, rootFields } from "./root-fields.ts";
import { type Answer, firstAnswer, send } from "./strangers.ts";

export interface Caller {
  readonly token: string | null;
  /** Makes something happen that endless streams tell. */
  readonly stir?: () => Promise<unknown>;
  /** Of the calls of the field's row, the first so many; all of them by default. */
  readonly callsMax?: number;
}

/** Every answer of one field to one caller, call by call. */
export async function answersOf(
  server: TestServer,
  root: RootField,
  refs: References,
  { token, stir, callsMax }: Caller,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  const row = rootFields[root.path];
  for (const variables of row?.calls(refs).slice(0, callsMax) ?? []) {
    const query = documentFor(root, variables);
    const stream = { token, query, variables, ...(row?.isEndless && stir ? { stir } : {}) };
    answers.push(
      root.kind === "subscription" ? await firstAnswer(server, stream) : await send(server, token, query, variables),
    );
  }
  return answers;
}
