import { print } from "graphql";
import { GraphQLClient } from "graphql-request";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";
import {
  type AgentLogLineInput,
  AgentTasksDocument,
  type AgentTasksSubscription,
  CompleteAgentTaskDocument,
  type CompleteAgentTaskInput,
  CreateAgentEnrolmentDocument,
  EnrolAgentDocument,
  RenewAgentTaskDocument,
  ReportAgentLogDocument,
} from "../../client/generated/graphql.ts";

export type Task = AgentTasksSubscription["agentTasks"];

/** Where an agent connects to. */
interface Place {
  readonly url: string;
}

/** An agent that does what a test says, by the documents of client/operations/agents.graphql. */
export class ScriptedAgent {
  readonly agentId: string;
  readonly token: string;
  /** Tasks in the order they were offered, the same one again too. */
  readonly offers: Task[] = [];
  /** Why its last connection ended, if it did. */
  ended: string | undefined;
  #place: Place;
  #client: ReturnType<typeof createClient> | undefined;

  constructor(place: Place, { agentId, token }: { readonly agentId: string; readonly token: string }) {
    this.#place = place;
    this.agentId = agentId;
    this.token = token;
  }

  /** A new agent of whoever holds the admin's token. */
  static async enrol(place: Place, adminToken: string, name: string): Promise<ScriptedAgent> {
    const { createAgentEnrolment } = await clientOf(place, adminToken).request(CreateAgentEnrolmentDocument, {
      input: { name },
    });
    if (createAgentEnrolment.__typename !== "CreateAgentEnrolmentPayload") throw new Error(createAgentEnrolment.code);
    const { enrolAgent } = await clientOf(place).request(EnrolAgentDocument, {
      input: { token: createAgentEnrolment.enrolmentToken, version: "0.0.1" },
    });
    if (enrolAgent.__typename !== "EnrolAgentPayload") throw new Error(enrolAgent.code);
    return new ScriptedAgent(place, enrolAgent);
  }

  /** The same agent on another node, or with a stolen token. */
  at(place: Place): ScriptedAgent {
    return new ScriptedAgent(place, this);
  }

  connect(): this {
    this.ended = undefined;
    const client = createClient({
      url: this.#place.url.replace(/^http/, "ws"),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      connectionParams: { authorization: `Bearer ${this.token}` },
    });
    this.#client = client;
    const end = (reason: unknown) => {
      if (this.#client === client) this.ended ??= reason instanceof Error ? reason.message : JSON.stringify(reason);
    };
    client.subscribe<AgentTasksSubscription>(
      { query: print(AgentTasksDocument) },
      {
        next: ({ data, errors }) => {
          if (data) this.offers.push(data.agentTasks);
          else end(errors);
        },
        error: end,
        complete: () => end("completed"),
      },
    );
    return this;
  }

  /** Its process is gone, or its network. */
  async disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.dispose();
  }

  async renew(taskId: string) {
    return (await this.#http().request(RenewAgentTaskDocument, { input: { taskId } })).renewAgentTask;
  }

  async log(taskId: string, from: number, texts: readonly (string | AgentLogLineInput)[]) {
    const lines = texts.map((line) => (typeof line === "string" ? { stream: "STDERR" as const, text: line } : line));
    return (await this.#http().request(ReportAgentLogDocument, { input: { taskId, from, lines } })).reportAgentLog;
  }

  async complete(input: CompleteAgentTaskInput) {
    return (await this.#http().request(CompleteAgentTaskDocument, { input })).completeAgentTask;
  }

  #http(): GraphQLClient {
    return clientOf(this.#place, this.token);
  }
}

function clientOf({ url }: Place, token?: string): GraphQLClient {
  return new GraphQLClient(url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
}
