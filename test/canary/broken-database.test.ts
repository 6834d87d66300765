import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Adapter } from "../../src/live-actions/adapter.ts";
import { scriptedAdapter } from "../live-actions/adapters.ts";
import { ScriptedAgent } from "../opservant/scripted-agent.ts";
import { CanaryWorld } from "./canary-world.ts";
import { canary, plainCanary } from "./forms.ts";

// PostgreSQL quotes a whole row where it refuses one, and the ORM a whole statement. Neither may hold a secret, since both come into the log.

const stored = canary("stored where it can't be");
const given = canary("given where nothing can be written");
const credential = plainCanary("a credential where nothing can be written");
const secrets = [stored, given, credential];

const adapter: Adapter = scriptedAdapter({
  answer: async ({ credentials }) => ({ status: "SUCCEEDED", summary: Object.values(credentials).join(), details: {} }),
});

let world: CanaryWorld;
let agent: ScriptedAgent;
beforeAll(async () => {
  world = await CanaryWorld.open([adapter]);
  agent = (await ScriptedAgent.enrol(world.server, world.server.adminToken, "agent")).connect();
  const parameters = [{ name: "given_key", type: "secret", required: true }];
  const definition = { name: "task", version: "1.0.0", type: "enrichment", description: "In a test.", parameters };
  const executor = { type: "opservant", target: agent.agentId };
  const files = [{ path: "work.sh", content: "true\n" }];
  await world.mutate("registerAction", "action { id }", { definition: { ...definition, executor }, files });
  await world.mutate("setLiveActionPolicy", "policy { capability }", {
    ...{ capability: "block_ip", requireApproval: true, approvers: [{ role: "viewer" }] },
  });
});
afterAll(async () => {
  await agent.disconnect();
  await world.close();
});

/** From now on, no row of the table can be written. */
async function refuse(table: string): Promise<() => Promise<void>> {
  const em = world.server.orm.em.fork();
  await em.execute(`alter table ${table} add constraint refused check (false) not valid`);
  return async () => void (await em.execute(`alter table ${table} drop constraint refused`));
}

const execution = { ref: "task", parameters: { given_key: given } };
const params = { acme_id: "me", acme_token: credential, note: `with ${credential}` };
const dispatch = { capability: "isolate_host", vendorId: "acme", target: "host", params };

describe("a database that refuses a row", () => {
  test.each([
    ["secret", "putSecret", "PutSecretInput", { name: "a-secret", value: stored }],
    ["audit_entry", "putSecret", "PutSecretInput", { name: "a-secret", value: stored }],
    ["run", "executeAction", "ExecuteActionInput", execution],
    ["run_event", "executeAction", "ExecuteActionInput", execution],
    ["audit_entry", "executeAction", "ExecuteActionInput", execution],
    ["live_action_dispatch", "dispatchLiveAction", "LiveActionInput", dispatch],
    ["audit_entry", "dispatchLiveAction", "LiveActionInput", dispatch],
    ["api_token", "createApiToken", "CreateApiTokenInput", { name: "a-token", roles: ["viewer"] }],
    ["agent_enrolment", "createAgentEnrolment", "CreateAgentEnrolmentInput", { name: "an-agent" }],
  ])("(%s) for %s makes neither the answer nor the log tell a secret or SQL", async (table, field, type, input) => {
    const restore = await refuse(table);
    const query = `mutation($input: ${type}!) { ${field}(input: $input) { __typename } }`;
    const answer = await world.answer(JSON.stringify({ query, variables: { input } }));
    await restore();
    const { data, errors } = JSON.parse(answer);
    expect(data).toBeNull();
    expect(errors).toEqual([
      expect.objectContaining({ message: expect.stringMatching(/^Internal error; quote [\w-]+\.$/) }),
    ]);
    expect(answer).not.toMatch(/insert|update|select|constraint|\.ts\b|stack/i);
    const log = (await world.everything()).get("the log") ?? "";
    expect(log).toContain(errors[0].extensions.id);
    expect(log).toContain("refused");
    await world.expectClean(...secrets);
  });

  test("makes what an agent tells come back to the agent only", async () => {
    const { run } = await world.mutate<{ run: { id: string } }>("executeAction", "run { id }", execution);
    await expect.poll(() => agent.offers.some(({ runId }) => runId === run.id)).toBe(true);
    const { taskId } = agent.offers.find(({ runId }) => runId === run.id)!;
    await agent.renew(taskId);
    const restore = await Promise.all(["agent_task_line", "agent_task"].map(refuse));
    const refused = [
      agent.log(taskId, 0, [`says ${given}`]),
      agent.complete({ taskId, exitCode: 0, result: { given } }),
    ];
    for (const { status } of await Promise.allSettled(refused)) expect(status).toBe("rejected");
    for (const each of restore) await each();
    await world.expectClean(...secrets);
    await agent.complete({ taskId, exitCode: 0, result: { given } });
    expect((await world.ended(run.id)).status).toBe("SUCCEEDED");
    await world.expectClean(...secrets);
  });
});
