import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";
import { cancel, execute, letTimePass, registerAgentAction, see, seeEnded } from "./agent-actions.ts";
import { ScriptedAgent, type Task } from "./scripted-agent.ts";

let server: TestServer;
let agent: ScriptedAgent;

beforeAll(async () => {
  server = await startTestServer();
  agent = await ScriptedAgent.enrol(server, server.adminToken, "site one");
  const { agentId } = agent;
  await registerAgentAction(server, { name: "simple", agentId });
  await registerAgentAction(server, { name: "careful", agentId, fields: { on_interrupt: "fail" } });
  await registerAgentAction(server, {
    name: "tried-twice",
    agentId,
    fields: { retry: { max_attempts: 2, backoff_seconds: 0 } },
  });
  await registerAgentAction(server, { name: "nobody", agentId: crypto.randomUUID() });
  await registerAgentAction(server, { name: "no-id", agentId: "site one" });
});
afterAll(() => server.close());
beforeEach(async () => {
  agent = agent.at(server).connect();
  return () => agent.disconnect();
});

/** Starts an action and answers its run and the task that the agent is offered. */
async function begin(ref: string): Promise<{ id: string; task: Task }> {
  const before = agent.offers.length;
  const id = await execute(server, ref);
  await expect.poll(() => agent.offers.length).toBe(before + 1);
  return { id, task: agent.offers.at(-1)! };
}

/** The same, and the agent takes it. */
async function beginTaken(ref: string): Promise<{ id: string; taskId: string }> {
  const { id, task } = await begin(ref);
  expect(await agent.renew(task.taskId)).toEqual({
    __typename: "RenewAgentTaskPayload",
    cancelled: false,
    leaseSeconds: 15,
  });
  return { id, taskId: task.taskId };
}

const accepted = { accepted: true };
const refused = { accepted: false };
const ended = { __typename: "StateFailure", code: "task_ended" };

describe("an action on an agent", () => {
  test("is handed to it with all that it needs, and its answer is the run's outcome", async () => {
    const { id, task } = await begin("simple");
    expect(task).toMatchObject({
      ...{ action: { name: "simple", version: "1.0.0" }, entry: "work.sh", attempt: 1, runId: id, parameters: {} },
      ...{ leaseSeconds: 15, timeoutSeconds: 300, stepId: "action" },
      files: [{ path: "work.sh", encoding: "BASE64", executable: true }],
    });
    expect(Buffer.from(task.files[0]?.content ?? "", "base64").toString()).toBe("echo '{}'\n");
    const { taskId } = task;
    await agent.renew(taskId);
    expect(await agent.log(taskId, 0, ["one", "two"])).toMatchObject(accepted);
    expect(await agent.complete({ taskId, exitCode: 0, result: { done: true } })).toMatchObject(accepted);
    expect(await seeEnded(server, id)).toMatchObject({
      ...{ status: "SUCCEEDED", steps: [{ output: { done: true } }], logs: ["one", "two"] },
      statuses: ["RUNNING", "SUCCEEDED"],
    });
  });

  test.each([
    ["an exit code", { exitCode: 3, result: { text: "no" } }, { status: "FAILED", code: "exit_code" }],
    [
      "the script's own error",
      { exitCode: 1, result: { error: { code: "E7", message: "m" } } },
      { status: "FAILED", code: "E7" },
    ],
    [
      "why it could not run",
      { error: { code: "interpreter_missing", message: "m" } },
      { status: "FAILED", code: "interpreter_missing" },
    ],
    ["its time", { error: { code: "timed_out", message: "m" } }, { status: "TIMED_OUT", code: "timed_out" }],
  ])("fails with %s", async (_what, answer, { status, code }) => {
    const { id, taskId } = await beginTaken("simple");
    expect(await agent.complete({ taskId, ...answer })).toMatchObject(accepted);
    expect(await seeEnded(server, id)).toMatchObject({
      status: status === "FAILED" ? "FAILED" : "TIMED_OUT",
      steps: [{ status, error: { code } }],
    });
  });

  test("is a task of its own for each try", async () => {
    const { id, taskId } = await beginTaken("tried-twice");
    await agent.complete({ taskId, exitCode: 1 });
    await expect.poll(() => agent.offers.at(-1)?.attempt).toBe(2);
    const second = agent.offers.at(-1)!;
    expect(second.taskId).not.toBe(taskId);
    await agent.renew(second.taskId);
    await agent.complete({ taskId: second.taskId, exitCode: 0, result: 2 });
    expect(await seeEnded(server, id)).toMatchObject({ status: "SUCCEEDED", steps: [{ attempt: 2, output: 2 }] });
  });

  test.each(["nobody", "no-id"])("fails at once where there is no such agent: %s", async (ref) => {
    const run = await seeEnded(server, await execute(server, ref));
    expect(run.steps).toMatchObject([{ status: "FAILED", error: { code: "agent_unavailable" } }]);
  });

  test("waits its turn where the agent has as many tasks as it may have at once", async () => {
    const before = agent.offers.length;
    const ids = await Promise.all(Array.from({ length: 12 }, () => execute(server, "simple")));
    await expect.poll(() => agent.offers.length).toBe(before + 10);
    const answered = new Set<string>();
    const answerAll = async () => {
      for (const { taskId } of agent.offers.slice(before)) {
        if (!answered.has(taskId)) await agent.complete({ taskId, exitCode: 0 });
        answered.add(taskId);
      }
      return answered.size;
    };
    await expect.poll(answerAll).toBe(12);
    for (const id of ids) expect((await seeEnded(server, id)).status).toBe("SUCCEEDED");
  });

  test("keeps the lines of a script once each, in their order, whatever is sent again", async () => {
    const { id, taskId } = await beginTaken("simple");
    await agent.log(taskId, 0, ["0", "1"]);
    expect(await agent.log(taskId, 0, ["0", "1", "2"])).toMatchObject(accepted);
    expect(await agent.log(taskId, 4, ["4"])).toMatchObject({ __typename: "StateFailure", code: "lines_missing" });
    expect(await agent.log(taskId, 1, ["1"])).toMatchObject(accepted);
    await expect.poll(async () => (await see(server, id)).logs).toEqual(["0", "1", "2"]);
    await agent.log(taskId, 3, [{ stream: "STDOUT", text: "3" }, "4"]);
    await agent.complete({ taskId, exitCode: 0 });
    expect((await seeEnded(server, id)).logs).toEqual(["0", "1", "2", "3", "4"]);
    expect(await agent.log(taskId, 5, ["5"])).toMatchObject(ended);
  });

  test("takes no more lines at once than fit into a request", async () => {
    const { taskId, id } = await beginTaken("simple");
    await expect(
      agent.log(
        taskId,
        0,
        Array.from({ length: 501 }, () => "x"),
      ),
    ).rejects.toThrow(/at most 500 lines/);
    await agent.complete({ taskId, exitCode: 0 });
    await seeEnded(server, id);
  });
});

describe("the answer of an agent", () => {
  test("counts once: the same again changes nothing, another one is not taken", async () => {
    const { id, taskId } = await beginTaken("simple");
    const answer = { taskId, exitCode: 0, result: { first: true } };
    const both = await Promise.all([agent.complete(answer), agent.complete(answer)]);
    expect(both).toMatchObject([accepted, accepted]);
    expect(await agent.complete({ ...answer, result: { first: false } })).toMatchObject(refused);
    expect(await agent.complete(answer)).toMatchObject(accepted);
    const run = await seeEnded(server, id);
    expect(run).toMatchObject({ steps: [{ output: { first: true } }], statuses: ["RUNNING", "SUCCEEDED"] });
  });

  test("says how the task ended", async () => {
    const { id, taskId } = await beginTaken("simple");
    expect(await agent.complete({ taskId })).toMatchObject({ __typename: "ValidationFailure" });
    expect(await agent.complete({ taskId, error: "text" })).toMatchObject({ __typename: "ValidationFailure" });
    await agent.complete({ taskId, exitCode: 0 });
    expect(await seeEnded(server, id)).toMatchObject({ status: "SUCCEEDED", steps: [{ output: null }] });
  });

  test("fails the step where it is larger than a result may be", async () => {
    const { id, taskId } = await beginTaken("simple");
    expect(await agent.complete({ taskId, exitCode: 0, result: "x".repeat(1024 * 1024) })).toMatchObject(accepted);
    expect(await seeEnded(server, id)).toMatchObject({ steps: [{ error: { code: "output_too_large" } }] });
  });

  test("comes too late when the time of the task is over", async () => {
    const { id, taskId } = await beginTaken("simple");
    await letTimePass(server, taskId, "deadline");
    expect(await seeEnded(server, id)).toMatchObject({
      status: "TIMED_OUT",
      steps: [{ error: { code: "timed_out" } }],
    });
    expect(await agent.complete({ taskId, exitCode: 0, result: "late" })).toMatchObject(refused);
    expect(await agent.renew(taskId)).toMatchObject(ended);
    expect(await see(server, id)).toMatchObject({ status: "TIMED_OUT", statuses: ["RUNNING", "TIMED_OUT"] });
  });

  test("is taken without an acknowledgement, which only guards its beginning", async () => {
    const { id, task } = await begin("simple");
    expect(await agent.complete({ taskId: task.taskId, exitCode: 0, result: 1 })).toMatchObject(accepted);
    expect(await seeEnded(server, id)).toMatchObject({ status: "SUCCEEDED" });
  });
});

describe("a run that is cancelled", () => {
  test("ends at once where no agent has begun", async () => {
    const { id, task } = await begin("simple");
    await cancel(server, id);
    expect(await seeEnded(server, id)).toMatchObject({ status: "CANCELLED", steps: [{ status: "CANCELLED" }] });
    expect(await agent.renew(task.taskId)).toMatchObject(ended);
  });

  test("waits for its agent, which hears of it when it renews", async () => {
    const { id, taskId } = await beginTaken("simple");
    await cancel(server, id);
    await expect.poll(() => agent.renew(taskId)).toMatchObject({ cancelled: true });
    expect((await see(server, id)).status).toBe("RUNNING");
    expect(await agent.complete({ taskId, error: { code: "cancelled", message: "ended" } })).toMatchObject(accepted);
    expect(await seeEnded(server, id)).toMatchObject({ status: "CANCELLED", statuses: ["RUNNING", "CANCELLED"] });
  });

  test("tells what its agent had done by then", async () => {
    const { id, taskId } = await beginTaken("simple");
    await cancel(server, id);
    await expect.poll(() => agent.renew(taskId)).toMatchObject({ cancelled: true });
    await agent.complete({ taskId, exitCode: 0, result: "done" });
    expect(await seeEnded(server, id)).toMatchObject({
      status: "CANCELLED",
      steps: [{ status: "SUCCEEDED", output: "done" }],
    });
  });

  test("does not wait for an agent whose lease is over", async () => {
    const { id, taskId } = await beginTaken("simple");
    await cancel(server, id);
    await expect.poll(() => agent.renew(taskId)).toMatchObject({ cancelled: true });
    await letTimePass(server, taskId, "lease");
    expect(await seeEnded(server, id)).toMatchObject({ status: "CANCELLED", statuses: ["RUNNING", "CANCELLED"] });
    expect(await agent.complete({ taskId, exitCode: 0 })).toMatchObject(refused);
  });
});

describe("a task that is not acknowledged or renewed", () => {
  test("is offered again to the agent, also when it has restarted, and has one outcome", async () => {
    const { id, taskId } = await beginTaken("simple");
    await agent.log(taskId, 0, ["first try"]);
    await agent.disconnect();
    agent = agent.at(server).connect();
    await letTimePass(server, taskId, "lease");
    await expect.poll(() => agent.offers.map((offer) => offer.taskId)).toEqual([taskId]);
    await agent.renew(taskId);
    // It begins the script again, and counts its lines from 0 again.
    await agent.log(taskId, 0, ["again 0"]);
    await agent.log(taskId, 0, ["again 0", "again 1"]);
    await agent.complete({ taskId, exitCode: 0, result: "done" });
    expect(await seeEnded(server, id)).toMatchObject({
      ...{ status: "SUCCEEDED", logs: ["first try", "again 0", "again 1"], statuses: ["RUNNING", "SUCCEEDED"] },
    });
  });

  test("goes on where only the network was away for longer than the lease", async () => {
    const { id, taskId } = await beginTaken("simple");
    await agent.log(taskId, 0, ["before"]);
    await letTimePass(server, taskId, "lease");
    await expect.poll(() => agent.offers.map((offer) => offer.taskId)).toEqual([taskId, taskId]);
    expect(await agent.renew(taskId)).toMatchObject({ cancelled: false });
    await agent.log(taskId, 1, ["after"]);
    await agent.complete({ taskId, exitCode: 0 });
    expect(await seeEnded(server, id)).toMatchObject({ logs: ["before", "after"], statuses: ["RUNNING", "SUCCEEDED"] });
  });

  test("is not begun again where its author said so, and its agent's late answer is its outcome", async () => {
    const { id, taskId } = await beginTaken("careful");
    await letTimePass(server, taskId, "lease");
    // Another one is offered, so this one would have been.
    const other = await begin("simple");
    expect(agent.offers.map((offer) => offer.taskId)).toEqual([taskId, other.task.taskId]);
    await agent.complete({ taskId, exitCode: 0, result: "after all" });
    expect(await seeEnded(server, id)).toMatchObject({ status: "SUCCEEDED", steps: [{ output: "after all" }] });
    await agent.complete({ taskId: other.task.taskId, exitCode: 0 });
    await seeEnded(server, other.id);
  });

  test("is of unknown effect where it was not to begin again and nothing more is heard", async () => {
    const { id, taskId } = await beginTaken("careful");
    await letTimePass(server, taskId, "lease");
    await letTimePass(server, taskId, "deadline");
    expect(await seeEnded(server, id)).toMatchObject({
      status: "FAILED",
      steps: [{ error: { code: "effect_unknown" } }],
    });
  });
});
