import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buildSchema, GraphQLError } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import type { Task } from "../../src/agent/task.ts";

const schema = buildSchema(`
  scalar JSON
  enum FileEncoding { UTF8 BASE64 }
  enum LogStream { STDOUT STDERR SYSTEM }
  interface Failure { code: String! message: String! }
  type NotFoundFailure implements Failure { code: String! message: String! }
  type StateFailure implements Failure { code: String! message: String! }
  type ValidationFailure implements Failure { code: String! message: String! }
  input EnrolAgentInput { token: String! version: String }
  input RenewAgentTaskInput { taskId: String! }
  input AgentLogLineInput { stream: LogStream! text: String! }
  input ReportAgentLogInput { taskId: String! from: Int! lines: [AgentLogLineInput!]! }
  input CompleteAgentTaskInput { taskId: String! exitCode: Int result: JSON error: JSON }
  type EnrolAgentPayload { agentId: String! token: String! }
  type RenewAgentTaskPayload { cancelled: Boolean! leaseSeconds: Int! }
  type ReportAgentLogPayload { accepted: Boolean! }
  type CompleteAgentTaskPayload { accepted: Boolean! }
  union EnrolAgentResult = EnrolAgentPayload | ValidationFailure | NotFoundFailure | StateFailure
  union RenewAgentTaskResult = RenewAgentTaskPayload | NotFoundFailure | StateFailure
  union ReportAgentLogResult = ReportAgentLogPayload | NotFoundFailure | StateFailure
  union CompleteAgentTaskResult = CompleteAgentTaskPayload | ValidationFailure | NotFoundFailure | StateFailure
  type AgentTaskAction { name: String! version: String! }
  type AgentTaskFile { path: String! content: String! encoding: FileEncoding! executable: Boolean! }
  type AgentTask {
    taskId: String! leaseSeconds: Int! runId: ID! stepId: String! attempt: Int! idempotencyKey: String! action: AgentTaskAction!
    entry: String! files: [AgentTaskFile!]! parameters: JSON! parameterNames: [String!]! secretNames: [String!]! timeoutSeconds: Int!
  }
  type Query { ok: Boolean }
  type Mutation {
    enrolAgent(input: EnrolAgentInput!): EnrolAgentResult!
    renewAgentTask(input: RenewAgentTaskInput!): RenewAgentTaskResult!
    reportAgentLog(input: ReportAgentLogInput!): ReportAgentLogResult!
    completeAgentTask(input: CompleteAgentTaskInput!): CompleteAgentTaskResult!
  }
  type Subscription { agentTasks: AgentTask! }
`);

interface Answer {
  readonly __typename: string;
  readonly [field: string]: unknown;
}
export type Completed = { taskId: string; exitCode?: number | null; result?: unknown; error?: unknown };
type Line = { stream: string; text: string };

/** The server's side of the protocol, played by a test: what it answers can be changed while the agent works. */
export interface FakeServer {
  readonly url: string;
  /** What was asked, in order. */
  readonly renewals: string[];
  readonly completions: Completed[];
  /** The accepted lines of a task. */
  linesOf(taskId: string): string[];
  /** How many connections have been opened, and are subscribed now. */
  readonly connectionCount: number;
  readonly subscriberCount: number;
  /** What is answered; by default everything is accepted. Throwing makes an error of it. */
  answers: {
    enrol(token: string): Answer;
    renew(taskId: string): Answer;
    log(taskId: string): Answer | undefined;
    complete(completion: Completed): Answer;
    subscribe(): void;
  };
  /** To every agent that is subscribed. */
  offer(task: Task): void;
  /** Ends every connection, as a broken network does. */
  cut(): void;
  close(): Promise<void>;
}

/** @param port 0 for any. */
export async function startFakeServer(port = 0): Promise<FakeServer> {
  const subscribers = new Set<(task: Task) => void>();
  const lines = new Map<string, Line[]>();
  const http = createServer();
  const sockets = new WebSocketServer({ server: http, path: "/graphql" });
  let connectionCount = 0;
  const answers = acceptEverything();
  const cut = (): void => {
    for (const socket of sockets.clients) socket.terminate();
  };
  const fake: FakeServer = {
    url: "",
    renewals: [],
    completions: [],
    linesOf: (taskId) => (lines.get(taskId) ?? []).map(({ stream, text }) => `${stream} ${text}`),
    get connectionCount() {
      return connectionCount;
    },
    get subscriberCount() {
      return subscribers.size;
    },
    answers,
    offer(task) {
      for (const tell of subscribers) tell(task);
    },
    cut,
    async close() {
      if (!http.listening) return;
      cut();
      http.close();
      await once(http, "close");
    },
  };
  const ports = { fake, lines, subscribers };
  useServer(
    {
      schema,
      roots: { query: {}, mutation: mutationsOf(ports), subscription: subscriptionsOf(ports) },
      onConnect: ({ connectionParams }) => {
        connectionCount += 1;
        const { authorization } = connectionParams ?? {};
        if (authorization !== undefined && authorization !== "Bearer own-token") throw new Error("Wrong token");
      },
    },
    sockets,
  );
  http.listen(port, "127.0.0.1");
  await once(http, "listening");
  return Object.assign(fake, { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
}

interface Ports {
  readonly fake: FakeServer;
  readonly lines: Map<string, Line[]>;
  readonly subscribers: Set<(task: Task) => void>;
}

function acceptEverything(): FakeServer["answers"] {
  return {
    enrol: () => ({ __typename: "EnrolAgentPayload", agentId: fakeAgentId, token: "own-token" }),
    renew: () => ({ __typename: "RenewAgentTaskPayload", cancelled: false, leaseSeconds: 1 }),
    log: () => undefined,
    complete: () => ({ __typename: "CompleteAgentTaskPayload", accepted: true }),
    subscribe: () => undefined,
  };
}

function mutationsOf({ fake, lines }: Ports) {
  return {
    enrolAgent: ({ input }: { input: { token: string } }) => fake.answers.enrol(input.token),
    renewAgentTask({ input: { taskId } }: { input: { taskId: string } }) {
      fake.renewals.push(taskId);
      return fake.answers.renew(taskId);
    },
    reportAgentLog({ input }: { input: { taskId: string; from: number; lines: Line[] } }) {
      const { taskId, from, lines: some } = input;
      const refused = fake.answers.log(taskId);
      if (refused) return refused;
      const taken = lines.get(taskId) ?? [];
      taken.splice(from, some.length, ...some);
      lines.set(taskId, taken);
      return { __typename: "ReportAgentLogPayload", accepted: true };
    },
    completeAgentTask({ input }: { input: Completed }) {
      fake.completions.push({ ...input });
      return fake.answers.complete(input);
    },
  };
}

function subscriptionsOf({ fake, subscribers }: Ports) {
  return {
    agentTasks() {
      fake.answers.subscribe();
      return tasksFor(subscribers);
    },
  };
}

/** No other test file's: an agent that starts ends all on this machine that carries its id. */
export const fakeAgentId = randomUUID();

export function unauthenticated(): never {
  throw new GraphQLError("The token is not valid.", { extensions: { code: "UNAUTHENTICATED" } });
}

/** Not a generator, whose end would wait for the next task. */
function tasksFor(subscribers: Set<(task: Task) => void>): AsyncIterableIterator<{ agentTasks: Task }> {
  const queue: Task[] = [];
  let isOver = false;
  let wake = (): void => {};
  const tell = (task: Task): void => {
    queue.push(task);
    wake();
  };
  subscribers.add(tell);
  const tasks: AsyncIterableIterator<{ agentTasks: Task }> = {
    [Symbol.asyncIterator]: () => tasks,
    async next() {
      while (queue.length === 0 && !isOver) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const task = queue.shift();
      return task && !isOver ? { done: false, value: { agentTasks: task } } : { done: true, value: undefined };
    },
    async return() {
      isOver = true;
      subscribers.delete(tell);
      wake();
      return { done: true, value: undefined };
    },
  };
  return tasks;
}
