import { NotAdmitted } from "./link.ts";
import { answerIn, operationOf } from "./protocol.ts";
import { ConnectionLost, openSession, ServerError } from "./session.ts";
import type { Identity } from "./state-directory.ts";

/** The server can't be reached, or answers strangely; it may be better later. */
export class EnrolmentFailed extends Error {}

const stolen =
  " If you have not used it yourself, somebody else may have: look at the list of agents, and revoke what you do not know.";

/**
 * Trades a one-time token for a credential of the agent's own, over a connection of its own. Sent once: a second try with the same token would be
 * refused.
 * @throws NotAdmitted when the server refuses the token; EnrolmentFailed otherwise.
 */
export async function enrol(server: string, enrolmentToken: string): Promise<Identity> {
  const session = openSession(server, undefined);
  try {
    await session.opened.catch((error: Error) => {
      throw new EnrolmentFailed(`${server} can't be reached: ${error.message}. The enrolment token is not used up.`);
    });
    const input = { token: enrolmentToken, version: agentVersion };
    const data = await session.request(operationOf("enrolAgent", input));
    const answer = answerIn<{ agentId: string; token: string }>("enrolAgent", data);
    if (!answer.isDone) throw new NotAdmitted(`${answer.message}${answer.code === "enrolment_invalid" ? stolen : ""}`);
    return { server, agentId: answer.payload.agentId, token: answer.payload.token };
  } catch (error) {
    if (error instanceof ServerError)
      throw new EnrolmentFailed(`${server} does not enrol this agent: ${error.message}`);
    if (!(error instanceof ConnectionLost)) throw error;
    const message = `The connection to ${server} was lost before it answered (${error.message}). Try again; if the token is refused then, make another.`;
    throw new EnrolmentFailed(message);
  } finally {
    session.close();
  }
}

declare const bundledVersion: string | undefined;

/** The version of the program: the bundler puts it in. */
export const agentVersion: string = typeof bundledVersion === "string" ? bundledVersion : "unbundled";
