import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createAgentFile } from "../../src/agent-file.ts";
import { hearOutput } from "../support/watched-leaks.ts";

/** The machine's own Node where it is new enough, which no package of ours is: an agent's machine has no other. */
export const agentNode = systemNode() ?? process.execPath;

function systemNode(): string | undefined {
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((directory) => !directory.includes("node_modules"));
  return path.map((directory) => join(directory, "node")).find(isNewEnough);
}

function isNewEnough(program: string): boolean {
  try {
    accessSync(program, constants.X_OK);
    return Number(execFileSync(program, ["-p", "process.versions.node"], { encoding: "utf8" }).split(".")[0]) >= 20;
  } catch {
    return false;
  }
}

/** The agent's file and its state, on a machine where there is nothing else. */
export interface AgentMachine {
  readonly directory: string;
  readonly state: string;
  /** Of every process that is started: of a machine that knows nothing of this repository. */
  readonly environment: Record<string, string>;
  /** Starts the agent. @param args Besides `--state`. */
  start(...args: readonly string[]): AgentProcess;
  remove(): Promise<void>;
}

export interface AgentProcess {
  readonly child: ChildProcess;
  /** All that it has said. */
  said(): string;
  /** Sends a signal, and resolves with the exit code, or the signal, when it is gone. */
  end(signal: NodeJS.Signals): Promise<number | string>;
  readonly exited: Promise<number | string>;
}

export async function createAgentMachine(): Promise<AgentMachine> {
  const directory = await mkdtemp(join(tmpdir(), "opservant-machine-"));
  const file = join(directory, "agent.mjs");
  await writeFile(file, (await createAgentFile()()).text);
  const state = join(directory, "state");
  const environment = { PATH: "/usr/bin:/bin", HOME: directory, AGENT_CANARY: "of the agent" };
  const running = new Set<ChildProcess>();
  return {
    ...{ directory, state, environment },
    start(...args) {
      const child = spawn(agentNode, [file, "--state", state, ...args], {
        cwd: directory,
        env: environment,
        stdio: ["ignore", "pipe", "pipe"],
      });
      running.add(child);
      hearOutput(child, "an agent");
      let text = "";
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
      const exited = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | string);
      const end = (signal: NodeJS.Signals) => {
        child.kill(signal);
        return exited;
      };
      return { child, said: () => text, end, exited };
    },
    async remove() {
      for (const child of running) child.kill("SIGKILL");
      await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
