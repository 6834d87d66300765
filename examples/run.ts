// npm run example: registers the sample actions and a playbook, executes it for a finding and shows it live. Exit code 0 when the
// run succeeded. RIPOSTE_URL and RIPOSTE_TOKEN say where and as whom; FIREWALL_PORT moves the fake firewall.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import {
  ExecuteActionDocument,
  ExecutePlaybookDocument,
  PutSecretDocument,
  PutVariableDocument,
  RunDetailDocument,
  ViewerDocument,
} from "../client/generated/graphql.ts";
import { registerActions, registerPlaybook } from "./catalogue.ts";
import { type FakeFirewall, startFakeFirewall } from "./fake-firewall.ts";
import { eventsOf, followRun, painted } from "./follow-run.ts";
import { type Connection, connect } from "./server-connection.ts";
import { bold, brief, dim, duration, ExampleError, say, yellow } from "./terminal.ts";

/** What `examples/start.env` names in EGRESS_ALLOW. */
const firewallPortDefault = 4_199;

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof ExampleError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

/** @returns The exit code. */
async function main(): Promise<number> {
  const connection = connect(process.env);
  const apiKey = randomBytes(24).toString("hex");
  let firewall: FakeFirewall | undefined;
  try {
    const { viewer } = await connection.request(ViewerDocument, {});
    say(`Riposte at ${connection.url}, as ${viewer.name} of the tenant ${viewer.tenant.name}`);
    firewall = await openFirewall(apiKey);
    await storeCredentials(connection, { apiKey, url: firewall.url });
    say(`\n${bold("Actions")}`);
    const names = await registerActions(connection);
    say(`\n${bold("Playbook")}`);
    const key = await registerPlaybook(connection, "contain-malicious-source.yaml");
    const isContained = await respond(connection, key);
    say(`\n${bold("The same action in other languages, each by itself")}`);
    const scripts = names.filter((name) => name === "block-ip-python" || name === "block-ip-shell");
    if (scripts.length === 0) say("  none can run here");
    let areScriptsFine = true;
    for (const name of scripts) areScriptsFine = (await executeAlone(connection, name)) && areScriptsFine;
    return isContained && areScriptsFine ? 0 : 1;
  } finally {
    await firewall?.close();
    await connection.close();
  }
}

async function openFirewall(apiKey: string): Promise<FakeFirewall> {
  const port = Number(process.env["FIREWALL_PORT"] ?? firewallPortDefault);
  const onRequest = (line: string) => say(dim(`            firewall: ${line}`));
  try {
    const firewall = await startFakeFirewall({ port, apiKey, failures: 1, onRequest });
    say(`Fake firewall at ${firewall.url}; it refuses the first request, so that a retry can be seen`);
    return firewall;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ExampleError(
      code === "EADDRINUSE"
        ? `Port ${port} is in use. Choose another with FIREWALL_PORT, and start the server with EGRESS_ALLOW=127.0.0.1:<that port>.`
        : `The fake firewall can't be started: ${message}`,
    );
  }
}

/** The key goes to the credential store, the address into a variable: no definition holds either. */
async function storeCredentials(
  connection: Connection,
  { apiKey, url }: { apiKey: string; url: string },
): Promise<void> {
  const secret = await connection.request(PutSecretDocument, { input: { name: "fw_api_key", value: apiKey } });
  if (secret.putSecret.__typename !== "PutSecretPayload") throw new ExampleError(secret.putSecret.message);
  const variable = await connection.request(PutVariableDocument, { input: { name: "firewall_url", value: url } });
  if (variable.putVariable.__typename !== "PutVariablePayload") throw new ExampleError(variable.putVariable.message);
}

/** Executes the playbook for the finding and shows it. @returns Whether it succeeded. */
async function respond(connection: Connection, key: string): Promise<boolean> {
  const finding = JSON.parse(await readFile(path.join(import.meta.dirname, "finding.json"), "utf8"));
  say(`\n${bold("Run")} for finding ${finding.id}: ${finding.title}, ${finding.severity}, from ${finding.source_ip}`);
  const { executePlaybook: result } = await connection.request(ExecutePlaybookDocument, {
    input: { key, context: { finding } },
  });
  if (result.__typename !== "ExecutePlaybookPayload") throw new ExampleError(result.message);
  await followRun(connection, result.run.id);
  const { run } = await connection.request(RunDetailDocument, { id: result.run.id });
  if (!run) throw new ExampleError("The run is gone.");
  const counts = `${run.steps.filter(({ status }) => status === "SUCCEEDED").length} steps succeeded`;
  say(`\n${bold("Outcome")}: ${painted(run.status)} in ${duration(run.durationMs ?? 0)}, ${counts}, run ${run.id}`);
  if (run.steps.some(({ error }) => error?.code === "egress_refused")) {
    say(
      yellow(
        "The remote action may not reach loopback: start the server with npm start, or with EGRESS_ALLOW=127.0.0.1:4199.",
      ),
    );
  }
  return run.status === "SUCCEEDED";
}

/** Executes one action as a run of its own. @returns Whether it succeeded. */
async function executeAlone(connection: Connection, name: string): Promise<boolean> {
  const parameters = { ip_address: "198.51.100.7", duration_hours: 1 };
  const { executeAction: result } = await connection.request(ExecuteActionDocument, {
    input: { ref: name, parameters },
  });
  if (result.__typename !== "ExecuteActionPayload") throw new ExampleError(result.message);
  for await (const event of eventsOf(connection, result.run.id)) {
    if (event.__typename === "LogEvent") say(dim(`  ${name} | ${event.text}`));
  }
  const { run } = await connection.request(RunDetailDocument, { id: result.run.id });
  const step = run?.steps[0];
  const outcome = step?.error ? `${step.error.code}, ${step.error.message}` : brief(step?.output);
  say(`  ${name} ${painted(run?.status ?? "FAILED")} in ${duration(run?.durationMs ?? 0)}  ${dim(outcome)}`);
  return run?.status === "SUCCEEDED";
}
