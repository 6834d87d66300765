import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentTask } from "../../src/opservant/entities.ts";
import { sweepOnce } from "../../src/opservant/task-sweeper.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeTenant } from "../tenancy/tenancy-fixtures.ts";
import { insertTask } from "./insert-task.ts";

let server: TestServer;
let tenantId: string;
beforeAll(async () => {
  server = await startTestServer();
  tenantId = (await makeTenant(server.orm, "swept")).id;
});
afterAll(() => server.close());

const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000);

/** A task with one line, and what is left of both after a sweep. */
async function sweep(fields: Partial<AgentTask>) {
  const { id } = await insertTask(server.orm, { tenantId, agentId: crypto.randomUUID(), ...fields });
  const em = server.orm.em.fork();
  const insertLine =
    "insert into agent_task_line (task_id, line, tenant_id, stream, text) values (?, 0, ?, 'STDERR', 'x')";
  await em.execute(insertLine, [id, tenantId]);
  await sweepOnce(em);
  const { status, sealedParameters } = await em.findOneOrFail(AgentTask, { id, tenantId });
  const lines = await em.execute<unknown[]>("select 1 from agent_task_line where task_id = ?", [id]);
  return { status, sealedParameters, lineCount: lines.length };
}

describe("the sweeper", () => {
  test("ends a task long after its time, and erases what it was given", async () => {
    const swept = await sweep({ deadlineAt: ago(120), sealedParameters: "sealed" });
    expect(swept).toMatchObject({ status: "EXPIRED", sealedParameters: null });
  });

  test("leaves a task alone whose follower may still end it", async () => {
    const swept = await sweep({ deadlineAt: ago(5), sealedParameters: "sealed" });
    expect(swept).toEqual({ status: "OFFERED", sealedParameters: "sealed", lineCount: 1 });
  });

  test("deletes lines a while after the end, when no journal can miss them any more", async () => {
    expect(await sweep({ status: "COMPLETED", finishedAt: ago(5) })).toMatchObject({ lineCount: 1 });
    expect(await sweep({ status: "COMPLETED", finishedAt: ago(120) })).toMatchObject({ lineCount: 0 });
  });
});
