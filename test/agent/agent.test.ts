import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { NotAdmitted } from "../../src/agent/link.ts";
import { connected, emptyDirectory, endAll, fakeServer, stageOnDisk, startAgent } from "./agent-world.ts";
import { fakeAgentId, unauthenticated } from "./fake-server.ts";
import { taskOf } from "./tasks.ts";

afterEach(endAll);

const sh = (script: string): string => `#!/bin/sh\n${script}\n`;

describe("an agent", () => {
  test("enrols once, and comes again with the credential that it keeps for its user alone", async () => {
    const server = await fakeServer();
    const tokens: string[] = [];
    server.answers.enrol = (token) => {
      tokens.push(token);
      return { __typename: "EnrolAgentPayload", agentId: fakeAgentId, token: "own-token" };
    };
    const first = await startAgent(server);
    await connected(server);
    await first.stop();
    const second = await startAgent(server, { directory: first.directory, token: undefined });
    await connected(server);
    expect(tokens).toEqual(["enrolment"]);
    const file = join(first.directory, "agent.json");
    expect([(await stat(first.directory)).mode & 0o777, (await stat(file)).mode & 0o777]).toEqual([0o700, 0o600]);
    expect([...first.said, ...second.said].join("\n")).not.toMatch(/own-token|enrolment-token/);
  });

  test("acknowledges a task, streams its log while it runs, renews it, and answers", async () => {
    const server = await fakeServer();
    await startAgent(server);
    await connected(server);
    const directory = await emptyDirectory();
    const task = taskOf(
      "a.sh",
      'echo one >&2; while [ ! -e "$1" ]; do sleep 0.05; done; echo two >&2; echo "{\\"a\\": 1}"',
      {
        parameters: { file: join(directory, "go") },
      },
    );
    server.offer(task);
    await expect.poll(() => server.linesOf(task.taskId)).toEqual(["STDERR one"]);
    await expect.poll(() => server.renewals.length).toBeGreaterThan(2);
    expect(server.completions).toEqual([]);
    await writeFile(join(directory, "go"), "");
    await expect.poll(() => server.completions).toEqual([{ taskId: task.taskId, exitCode: 0, result: { a: 1 } }]);
    expect(server.linesOf(task.taskId)).toEqual(["STDERR one", "STDERR two"]);
  });

  test("begins nothing that it may not acknowledge", async () => {
    const server = await fakeServer();
    const { said } = await startAgent(server);
    await connected(server);
    server.answers.renew = () => ({ __typename: "StateFailure", code: "task_ended", message: "It has ended." });
    const task = taskOf("a", sh("echo x >&2"));
    server.offer(task);
    await expect.poll(() => said.join("\n")).toMatch(/is not begun: It has ended/);
    expect([server.completions, server.linesOf(task.taskId)]).toEqual([[], []]);
  });

  test("has a task in hand once, however often it is offered, and never runs it again when it was answered", async () => {
    const server = await fakeServer();
    const agent = await startAgent(server);
    await connected(server);
    const count = join(await emptyDirectory(), "count");
    const task = taskOf("a.sh", 'echo x >> "$1"; sleep 0.3; wc -l < "$1"', { parameters: { count } });
    server.offer(task);
    server.offer(task);
    await expect.poll(() => server.completions).toMatchObject([{ exitCode: 0, result: 1 }]);
    await expect.poll(() => stageOnDisk(agent.directory, task)).toBe("closed");
    server.offer(task);
    await expect.poll(() => server.completions[1]).toMatchObject({ error: { code: "already_answered" } });
    await agent.stop();
    await startAgent(server, { directory: agent.directory });
    await connected(server);
    server.offer(task);
    await expect.poll(() => server.completions[2]).toMatchObject({ error: { code: "already_answered" } });
    expect(await readFile(count, "utf8")).toBe("x\n");
  });

  test.each([
    [
      "cancelled",
      { __typename: "RenewAgentTaskPayload", cancelled: true, leaseSeconds: 1 },
      [{ error: { code: "cancelled" } }],
    ],
    ["over on the server", { __typename: "NotFoundFailure", code: "not_found", message: "No such task." }, []],
  ])("ends the script of a task that is %s, and leaves nothing of it", async (_name, answer, completions) => {
    const server = await fakeServer();
    const { said, directory } = await startAgent(server);
    await connected(server);
    const task = taskOf("a", sh("echo begun >&2; sleep 600"));
    server.offer(task);
    await expect.poll(() => server.linesOf(task.taskId)).toEqual(["STDERR begun"]);
    server.answers.renew = () => answer;
    await expect.poll(() => said.join("\n")).toMatch(/is ended/);
    await expect.poll(() => readdir(join(directory, "work"))).toEqual([]);
    await expect.poll(() => stageOnDisk(directory, task)).toBe("closed");
    expect(server.completions).toMatchObject(completions);
    expect(server.completions).toHaveLength(completions.length);
  });

  test("runs on while the connection is cut, and then tells every line and the result once", async () => {
    const server = await fakeServer();
    await startAgent(server);
    await connected(server);
    const directory = await emptyDirectory();
    const go = join(directory, "go");
    const task = taskOf(
      "a.sh",
      'echo 1 >&2; while [ ! -e "$1" ]; do sleep 0.05; done; echo 2 >&2; : > "$1.done"; echo 3',
      {
        parameters: { go },
      },
    );
    server.offer(task);
    await expect.poll(() => server.linesOf(task.taskId)).toEqual(["STDERR 1"]);
    server.cut();
    await writeFile(go, "");
    await expect.poll(() => readdir(directory)).toContain("go.done");
    await expect.poll(() => server.completions).toEqual([{ taskId: task.taskId, exitCode: 0, result: 3 }]);
    expect(server.linesOf(task.taskId)).toEqual(["STDERR 1", "STDERR 2"]);
    await connected(server);
  });

  test("waits for a server that is away", async () => {
    const server = await fakeServer();
    const { said, directory } = await startAgent(server);
    await connected(server);
    const port = Number(new URL(server.url).port);
    await server.close();
    await expect.poll(() => said.filter((text) => /Trying again/.test(text)).length).toBeGreaterThan(2);
    const back = await fakeServer(port);
    await connected(back);
    expect(said.at(-1)).toBe(`Connected to ${server.url}.`);
    expect(await readdir(directory)).toContain("agent.json");
  });

  test("keeps a result on disk until the server has accepted it, over its own end", async () => {
    const server = await fakeServer();
    const first = await startAgent(server);
    await connected(server);
    server.answers.complete = () => {
      throw new Error("The database is away.");
    };
    const task = taskOf("a", sh("echo line >&2; echo 7; exit 3"));
    server.offer(task);
    await expect.poll(() => server.completions.length).toBe(1);
    await first.stop();
    const tried = server.completions.length;
    server.answers.complete = () => ({ __typename: "CompleteAgentTaskPayload", accepted: true });
    await startAgent(server, { directory: first.directory });
    await expect
      .poll(() => server.completions.slice(tried))
      .toEqual([
        {
          taskId: task.taskId,
          exitCode: 3,
          result: 7,
          error: { code: "exit_code", message: "The script ended with exit code 3." },
        },
      ]);
    await expect.poll(() => stageOnDisk(first.directory, task)).toBe("closed");
  });

  test("says so where the server refuses a result, instead of sending it for ever", async () => {
    const server = await fakeServer();
    await startAgent(server);
    await connected(server);
    server.answers.complete = ({ result }) =>
      result === undefined
        ? { __typename: "CompleteAgentTaskPayload", accepted: true }
        : { __typename: "ValidationFailure", code: "invalid", message: "Too large." };
    server.offer(taskOf("a", sh("echo 7")));
    await expect.poll(() => server.completions).toMatchObject([{ result: 7 }, { error: { code: "result_refused" } }]);
  });

  test("that is stopped ends its scripts and answers nothing for them, so that the server decides", async () => {
    const server = await fakeServer();
    const agent = await startAgent(server);
    await connected(server);
    const long = taskOf("a", sh("echo begun >&2; sleep 600"));
    server.offer(long);
    await expect.poll(() => server.linesOf(long.taskId)).toEqual(["STDERR begun"]);
    await agent.stop();
    expect(server.completions).toEqual([]);
    const again = await startAgent(server, { directory: agent.directory });
    await connected(server);
    server.offer({ ...long, files: [{ ...long.files[0]!, content: sh("echo 2") }] });
    await expect.poll(() => server.completions).toMatchObject([{ taskId: long.taskId, result: 2 }]);
    expect(again.said.join("\n")).toMatch(/again: it was begun before/);
  });

  test("that is stopped lets a script end that needs little more", async () => {
    const server = await fakeServer();
    const agent = await startAgent(server, { stopTimes: { graceMs: 10_000, deliveryMs: 5_000 } });
    await connected(server);
    const short = taskOf("a", sh("echo begun >&2; sleep 1; echo 1"));
    server.offer(short);
    await expect.poll(() => server.linesOf(short.taskId)).toEqual(["STDERR begun"]);
    await agent.stop();
    expect(server.completions).toMatchObject([{ taskId: short.taskId, result: 1 }]);
  });
});

describe("an agent that is not accepted", () => {
  test("says why its enrolment token is refused", async () => {
    const server = await fakeServer();
    server.answers.enrol = () => ({
      __typename: "NotFoundFailure",
      code: "enrolment_invalid",
      message: "This token is used.",
    });
    const { ended } = await startAgent(server);
    await expect(ended).rejects.toThrow(/^This token is used\. If you have not used it yourself/);
    await expect(ended).rejects.toBeInstanceOf(NotAdmitted);
  });

  test("asks for a token where it has none", async () => {
    const { ended } = await startAgent(await fakeServer(), { token: undefined });
    await expect(ended).rejects.toThrow(/start it once with an enrolment token/);
  });

  test("does not use up its token where the server can't be reached", async () => {
    const { ended } = await startAgent("http://127.0.0.1:9");
    await expect(ended).rejects.toThrow(/can't be reached: connect ECONNREFUSED.*not used up/);
  });

  test("ends its scripts and itself when it is revoked, once the server has said so twice", async () => {
    const server = await fakeServer();
    const { ended, directory } = await startAgent(server);
    await connected(server);
    const task = taskOf("a", sh("echo begun >&2; sleep 600"));
    server.offer(task);
    await expect.poll(() => server.linesOf(task.taskId)).toEqual(["STDERR begun"]);
    const before = server.connectionCount;
    server.answers.subscribe = unauthenticated;
    server.cut();
    await expect(ended).rejects.toBeInstanceOf(NotAdmitted);
    expect(server.connectionCount - before).toBe(2);
    expect(await readdir(join(directory, "work"))).toEqual([]);
    expect(server.completions).toEqual([]);
  });

  test("enrols anew where it was revoked and is given another token", async () => {
    const server = await fakeServer();
    const first = await startAgent(server);
    await connected(server);
    await first.stop();
    server.answers.subscribe = unauthenticated;
    server.answers.enrol = () => {
      server.answers.subscribe = () => undefined;
      return { __typename: "EnrolAgentPayload", agentId: fakeAgentId, token: "own-token" };
    };
    const { said } = await startAgent(server, { directory: first.directory, token: "another" });
    await connected(server);
    expect(said.join("\n")).toMatch(/does not accept the agent .* Trying the enrolment token/);
  });

  test("does not tell its credential to another server", async () => {
    const server = await fakeServer();
    const first = await startAgent(server);
    await connected(server);
    await first.stop();
    const { ended } = await startAgent(await fakeServer(), { directory: first.directory });
    await expect(ended).rejects.toThrow(/holds the credential of an agent of http/);
  });
});
