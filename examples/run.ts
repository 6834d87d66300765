// npm run example: registers the sample actions and playbooks, has them respond to findings, and shows it live. Exit code 0 when all
// ended as it should. RIPOSTE_URL and RIPOSTE_TOKEN say where and as whom; SERVICES_PORT moves the fake services.
import { PutSecretDocument, PutVariableDocument, ViewerDocument } from "../client/generated/graphql.ts";
import { registerActions, registerPlaybook } from "./catalogue.ts";
import { containSource, executeAlone } from "./contain-source.ts";
import { respondToEvents } from "./critical-vulnerability.ts";
import { type Credentials, type FakeServices, makeCredentials, startFakeServices } from "./fake-services.ts";
import { type Connection, connect } from "./server-connection.ts";
import { bold, dim, ExampleError, green, red, say, yellow } from "./terminal.ts";

/** What `examples/start.env` names in EGRESS_ALLOW. */
const servicesPortDefault = 4_199;

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
  const credentials = makeCredentials();
  let services: FakeServices | undefined;
  try {
    const { viewer } = await connection.request(ViewerDocument, {});
    say(`Riposte at ${connection.url}, as ${viewer.name} of the tenant ${viewer.tenant.name}`);
    services = await openServices(credentials);
    await storeCredentials(connection, credentials, services.url);
    const isFine = await show(connection, services);
    say(`\n${isFine ? green("Everything ended as it should.") : red("Something ended as it should not.")}`);
    return isFine ? 0 : 1;
  } finally {
    await services?.close();
    await connection.close();
  }
}

/** @returns Whether everything ended as it should. */
async function show(connection: Connection, services: FakeServices): Promise<boolean> {
  say(`\n${bold("Actions")}`);
  const names = await registerActions(connection);
  say(`\n${bold("Playbooks")}`);
  const contain = await registerPlaybook(connection, "contain-malicious-source.yaml");
  const critical = await registerPlaybook(connection, "critical-vulnerability-response.yaml");

  const { isContained, isReachable } = await containSource(connection, contain);

  say(`\n${bold("The same action in other languages, each by itself")}`);
  const scripts = names.filter((name) => name === "block-ip-python" || name === "block-ip-shell");
  if (scripts.length === 0) say("  none can run here");
  let areScriptsFine = true;
  for (const name of scripts) areScriptsFine = (await executeAlone(connection, name)) && areScriptsFine;

  say(`\n${bold("Events that start a playbook, and a person who decides")}`);
  if (!isReachable) {
    say(
      yellow(
        "  left out: the remote actions may not reach loopback. Start the server with npm start, or with EGRESS_ALLOW=127.0.0.1:4199.",
      ),
    );
    return isContained && areScriptsFine;
  }
  return (await respondToEvents(connection, services, critical)) && isContained && areScriptsFine;
}

async function openServices(credentials: Credentials): Promise<FakeServices> {
  const port = Number(process.env["SERVICES_PORT"] ?? servicesPortDefault);
  const onRequest = (line: string) => say(dim(`            ${line}`));
  try {
    const services = await startFakeServices({ port, credentials, firewallFailures: 1, onRequest });
    say(`Fake services at ${services.url}; the firewall refuses its first request, so that a retry can be seen`);
    return services;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ExampleError(
      code === "EADDRINUSE"
        ? `Port ${port} is in use. Choose another with SERVICES_PORT, and start the server with EGRESS_ALLOW=127.0.0.1:<that port>.`
        : `The fake services can't be started: ${message}`,
    );
  }
}

/** The credentials go to the credential store, the addresses into variables: no definition holds either. */
async function storeCredentials(connection: Connection, credentials: Credentials, url: string): Promise<void> {
  for (const [name, value] of Object.entries(credentials)) {
    const { putSecret: result } = await connection.request(PutSecretDocument, { input: { name, value } });
    if (result.__typename !== "PutSecretPayload") throw new ExampleError(result.message);
  }
  for (const name of ["firewall_url", "services_url"]) {
    const { putVariable: result } = await connection.request(PutVariableDocument, { input: { name, value: url } });
    if (result.__typename !== "PutVariablePayload") throw new ExampleError(result.message);
  }
}
