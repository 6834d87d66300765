import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

/** What the agent is told when it starts. */
export interface Settings {
  /** Base address of the server, without a slash at the end, such as `https://riposte.example`. */
  readonly server: string;
  /** What to enrol with, once; undefined where it is not given. */
  readonly enrolmentToken: string | undefined;
  /** The directory of everything that the agent keeps. */
  readonly stateDirectory: string;
}

/** What is wrong with how the agent was started. */
export class UsageError extends Error {}

export const usage = `Runs the actions that a Riposte server hands to this machine. Linux or macOS, Node 20 or newer; nothing to install.

  node agent.mjs --server https://riposte.example --token <enrolment token>

  --server   Address of the server.                            (OPSERVANT_SERVER)
  --token    What to enrol with, needed for the first start.   (OPSERVANT_TOKEN)
  --state    Directory of the agent's credential and results;  (OPSERVANT_STATE)
             by default ~/.opservant, or ./.opservant where there is no home.
  --version  Tells the version.
  --help     Tells this.

A server whose certificate is signed by an authority of your own: NODE_EXTRA_CA_CERTS=/path/of/its/certificate.pem
It runs until it is ended by SIGTERM or SIGINT: then running scripts get 10 seconds to end.
Exit codes: 0 ended as asked, 1 failed, 2 started wrongly, 3 the server does not accept this agent (any more).`;

const options = {
  server: { type: "string" },
  token: { type: "string" },
  state: { type: "string" },
  version: { type: "boolean" },
  help: { type: "boolean" },
} as const;

/**
 * Reads the command line, and the environment for what it leaves out.
 * @throws UsageError that says what is wrong.
 */
export function readSettings(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): Settings | "help" | "version" {
  const given = parse(argv);
  if (given.help) return "help";
  if (given.version) return "version";
  const server = given.server ?? env["OPSERVANT_SERVER"];
  if (!server) throw new UsageError("Say which server: --server https://…, or OPSERVANT_SERVER.");
  return {
    server: addressOf(server),
    enrolmentToken: (given.token ?? env["OPSERVANT_TOKEN"])?.trim() || undefined,
    stateDirectory: resolve(given.state ?? (env["OPSERVANT_STATE"] || defaultState())),
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function addressOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`The server's address begins with https:// or http://; this is none: ${JSON.stringify(text)}`);
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new UsageError("The server's address has no user, password, query or fragment.");
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function defaultState(): string {
  const home = homedir();
  try {
    accessSync(home, constants.W_OK);
    return join(home, ".opservant");
  } catch {
    return ".opservant";
  }
}
