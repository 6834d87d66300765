import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { GraphQLClient } from "graphql-request";
import { hearOutput, leakWatch, watchedArguments } from "../support/watched-leaks.ts";

/** A server in a process of its own, which can be killed. */
export interface ServerProcess {
  readonly url: string;
  readonly child: ChildProcess;
  readonly client: GraphQLClient;
  /** SIGKILL, and the wait for it. */
  kill(): Promise<void>;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
}

interface ServerProcessOptions {
  readonly dataDirectory: string;
  /** Any free one by default. */
  readonly port?: number;
  readonly token: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Gets the process as soon as there is one: also one that is starting can be killed. */
  readonly onSpawn?: (child: ChildProcess) => void;
}

/** Starts `src/main.ts` as a user would, and waits until it says that it is up. */
export async function startServerProcess({
  dataDirectory,
  port = 0,
  token,
  env,
  onSpawn,
}: ServerProcessOptions): Promise<ServerProcess> {
  leakWatch.note(token, "token");
  const child = spawn(process.execPath, [...watchedArguments(), path.resolve("src/main.ts")], {
    env: {
      PATH: process.env["PATH"],
      DATA_DIR: dataDirectory,
      PORT: String(port),
      ADMIN_TOKEN: token,
      EGRESS_ALLOW: "127.0.0.1/32",
      LOG_LEVEL: "warn",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onSpawn?.(child);
  hearOutput(child, "a server");
  let output = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on("data", (chunk) => (output += chunk));
    child.stdout?.on("data", (chunk) => {
      output += chunk;
      if (output.includes("npm run example")) resolve();
    });
    child.once("exit", (code) => reject(new Error(`The server exited with ${code}:\n${output}`)));
  });
  const url = /GraphiQL +(\S+)/.exec(output)?.[1] ?? "";
  return {
    url,
    child,
    client: new GraphQLClient(url, { headers: { authorization: `Bearer ${token}` } }),
    async kill() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
    async stop() {
      child.kill("SIGTERM");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      return child.exitCode;
    },
  };
}
