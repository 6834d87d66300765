import { join } from "node:path";
import type { Say } from "./agent-log.ts";
import { bounds } from "./bounds.ts";
import { agentVersion, enrol } from "./enrol.ts";
import { type Link, NotAdmitted, openLink } from "./link.ts";
import { createTaskTalk, documents } from "./protocol.ts";
import { createHost, removeLeftovers } from "./run-task.ts";
import type { Settings } from "./settings.ts";
import { type Identity, openStateDirectory, type StateDirectory, StateUnusable } from "./state-directory.ts";
import type { Task } from "./task.ts";
import { createTaskDesk } from "./task-desk.ts";
import { openTaskRecords } from "./task-records.ts";

export interface AgentPorts {
  readonly say: Say;
  readonly signal: AbortSignal;
  /** What is under way gets these times when the agent is stopped; shorter ones are for tests. */
  readonly stopTimes?: { readonly graceMs: number; readonly deliveryMs: number };
}

/**
 * Enrols where that is still to be done, then serves until the signal is aborted.
 * @throws NotAdmitted, StateUnusable, EnrolmentFailed, with a message for the agent's user.
 */
export async function runAgent(settings: Settings, given: AgentPorts): Promise<void> {
  const { say, signal } = given;
  const state = await openStateDirectory(settings.stateDirectory);
  try {
    const known = await state.readIdentity();
    if (!known) return await serve(await enrolAnew(settings, { state, say }), { ...given, state });
    checkServer(known, settings);
    try {
      await serve(known, { ...given, state });
    } catch (error) {
      // Revoked, and started with a token for a new beginning: else the token would never be looked at.
      if (!(error instanceof NotAdmitted) || settings.enrolmentToken === undefined || signal.aborted) throw error;
      say(
        `${settings.server} does not accept the agent ${known.agentId}: ${error.message} Trying the enrolment token.`,
      );
      await serve(await enrolAnew(settings, { state, say }), { ...given, state });
    }
  } finally {
    await state.release();
  }
}

/** A credential is told to the server that gave it, and to no other. */
function checkServer({ server }: Identity, settings: Settings): void {
  if (server === settings.server) return;
  throw new StateUnusable(
    `${settings.stateDirectory} holds the credential of an agent of ${server}, not of ${settings.server}. Name another directory with --state.`,
  );
}

async function enrolAnew(
  { server, enrolmentToken }: Settings,
  { state, say }: { state: StateDirectory; say: Say },
): Promise<Identity> {
  if (enrolmentToken === undefined) {
    throw new NotAdmitted(
      "This agent is not enrolled: start it once with an enrolment token, --token or OPSERVANT_TOKEN.",
    );
  }
  // A directory that can't be written would cost the token.
  await state.probe();
  const identity = await enrol(server, enrolmentToken);
  await state.writeIdentity(identity);
  say(
    `Enrolled at ${server} as the agent ${identity.agentId}. The enrolment token is used up, and not needed any more.`,
  );
  return identity;
}

const usualStopTimes = { graceMs: bounds.stopGraceMs, deliveryMs: bounds.stopDeliveryMs };

async function serve(
  identity: Identity,
  { state, say, signal, stopTimes = usualStopTimes }: AgentPorts & { readonly state: StateDirectory },
): Promise<void> {
  const { agentId, server, token } = identity;
  const place = { agentId, workDirectory: join(state.path, "work") };
  await removeLeftovers(place);
  const records = await openTaskRecords(join(state.path, "tasks"));
  say(`Agent ${agentId}, version ${agentVersion}, Node ${process.version}, state in ${state.path}.`);
  const link: Link = openLink({
    ...{ server, token, say },
    subscription: { query: documents.agentTasks },
    onData: ({ agentTasks }) => desk.offer(agentTasks as Task),
  });
  const desk = createTaskDesk({ talk: createTaskTalk(link), records, host: createHost(place), say });
  desk.deliverLeftovers();
  const stopped = aborted(signal);
  try {
    await Promise.race([stopped, link.closed]);
    say("Stopping. Scripts under way get some time to end.");
    await desk.stop(stopTimes);
  } catch (error) {
    await desk.stop({ graceMs: 0, deliveryMs: 0 });
    throw error;
  } finally {
    link.close();
    await link.closed.catch(() => {});
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
