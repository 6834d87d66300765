import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectedAgent, registerScript } from "../agent/agent-office.ts";
import { type AgentMachine, type AgentProcess, createAgentMachine } from "../agent/agent-process.ts";
import { ScriptedAgent } from "../opservant/scripted-agent.ts";
import { CanaryWorld } from "./canary-world.ts";
import { canary, formsOf, leaksIn, linesCanary } from "./forms.ts";

const stored = canary("stored, for an agent");
const given = canary("given, for an agent");
const lines = linesCanary("given, in lines, for an agent");
const secrets = [stored, given, lines];
const enrolments: string[] = [];

const parameters = ["stored_key", "given_key", "lined_key"].map((name) => ({ name, type: "secret", required: true }));
const given_ = { given_key: given, lined_key: lines };

/** Prints all that it is given, byte by byte and encoded, and what a shell makes of it. */
const script = `
set -x
printf '%s' "$PARAM_STORED_KEY" | while IFS= read -r -n1 byte; do printf '%s' "$byte" >&2; done; echo >&2
echo "$PARAM_LINED_KEY" >&2
for value in "$PARAM_STORED_KEY" "$PARAM_GIVEN_KEY" "$PARAM_LINED_KEY"; do
  printf '%s' "$value" | base64 -w 0 >&2; echo >&2; printf '%s' "x$value" | base64 >&2
  printf '%s' "$value" | od -An -v -tx1 | tr -d ' \\n' >&2; echo >&2; printf '%s' "$value" | rev >&2; echo >&2
done
printf '%8180s%s\\n' x "$PARAM_GIVEN_KEY" >&2
tr '\\0' ' ' < /proc/$$/cmdline >&2
cat
exit 3
`;

let world: CanaryWorld;
let machine: AgentMachine;
let real: AgentProcess;
let liar: ScriptedAgent;
let other: ScriptedAgent;

async function enrolment(name: string): Promise<string> {
  const { enrolmentToken } = await world.secretly<{ enrolmentToken: string }>(
    "createAgentEnrolment",
    "enrolmentToken",
    { name },
  );
  enrolments.push(enrolmentToken);
  return enrolmentToken;
}

beforeAll(async () => {
  world = await CanaryWorld.open();
  await world.mutate("putSecret", "secret { name }", { name: "stored_key", value: stored });
  machine = await createAgentMachine();
  real = machine.start("--server", world.server.app.url, "--token", await enrolment("real"));
  liar = (await ScriptedAgent.enrol(world.server, world.server.adminToken, "liar")).connect();
  other = (await ScriptedAgent.enrol(world.server, world.server.adminToken, "other")).connect();
  const { agentId } = await connectedAgent(world.server, "real");
  await registerScript(world.server, { name: "print", agentId, script, parameters });
  await registerScript(world.server, { name: "lie", agentId: liar.agentId, script, parameters });
});
afterAll(async () => {
  await machine.remove();
  for (const agent of [liar, other]) await agent.disconnect();
  await world.close();
});

async function execute(ref: string): Promise<string> {
  const input = { ref, parameters: given_ };
  return (await world.mutate<{ run: { id: string } }>("executeAction", "run { id }", input)).run.id;
}

/** The next task of the agent that lies. */
async function offered(id: string) {
  await expect.poll(() => liar.offers.some(({ runId }) => runId === id)).toBe(true);
  return liar.offers.find(({ runId }) => runId === id)!;
}

/** Whatever the machine keeps, but for the credential of the agent itself. */
function filesOf(directory: string): string {
  return readdirSync(directory, { recursive: true })
    .map((name) => join(directory, String(name)))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, "latin1"))
    .join("\n");
}

describe("secrets of an agent's task", () => {
  test("that its script prints are found nowhere, nor on the agent's machine", async () => {
    const run = await world.ended(await execute("print"));
    expect(run.status).toBe("FAILED");
    expect(run.text).toMatch(/"text":"[^"]*\*\*\*/);
    await world.expectClean(...secrets);
    await expect.poll(() => leaksIn(filesOf(machine.directory), secrets)).toEqual([]);
    expect(leaksIn(real.said(), secrets)).toEqual([]);
  });

  test("that the agent tells in every way it can are found nowhere", async () => {
    const id = await execute("lie");
    const ending = world.ended(id);
    const { taskId, parameters: told } = await offered(id);
    expect(told).toEqual({ stored_key: stored, ...given_ });
    await liar.renew(taskId);
    const texts = secrets.flatMap((secret) => [...secret.split("\n"), ...formsOf(secret)]);
    for (const [line, text] of texts.entries()) await liar.log(taskId, line, [text]);
    await world.heard("***");
    await world.expectClean(...secrets);
    const error = { code: given, message: `${"x".repeat(1_990)}${stored}` };
    await liar.complete({ taskId, result: { [given]: texts, lines: lines.split("\n").join("\r\n") }, error });
    expect((await ending).status).toBe("FAILED");
    await world.heard(id);
    await world.expectClean(...secrets);
  });

  test("that are told too late, or of no task, are found nowhere", async () => {
    const id = await execute("lie");
    const { taskId } = await offered(id);
    await world.mutate("cancelRun", "run { id }", { id, reason: "Seen." });
    expect((await world.ended(id)).status).toBe("CANCELLED");
    await liar.log(taskId, 0, [stored, given]);
    await liar.complete({ taskId, exitCode: 0, result: { all: secrets } });
    await other.complete({ taskId, exitCode: 0, result: { all: secrets } });
    const wrong = { taskId, exitCode: given, result: stored, error: given } as never;
    expect(
      leaksIn(
        String(await liar.complete(wrong).catch((refusal: unknown) => refusal)).split("request")[0] ?? "",
        secrets,
      ),
    ).toEqual([]);
    await world.expectClean(...secrets);
  });

  test("are offered to no other agent", () => {
    expect(liar.offers.length).toBeGreaterThan(0);
    expect(other.offers).toEqual([]);
  });
});

describe("what an agent proves itself with", () => {
  test("is found nowhere: neither enrolment tokens nor credentials", async () => {
    const credential = readdirSync(machine.state, { recursive: true }).map((name) => join(machine.state, String(name)));
    const own = credential.filter((file) => statSync(file).isFile()).map((file) => readFileSync(file, "utf8"));
    const kept = /"token":"([^"]+)"/.exec(own.join("\n").replaceAll(": ", ":"))?.[1];
    expect(kept).toBeDefined();
    const all = [...enrolments, liar.token, other.token, kept ?? ""];
    await world.expectClean(...all);
    expect(leaksIn(real.said(), all)).toEqual([]);
  });
});
