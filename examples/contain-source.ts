import { readFile } from "node:fs/promises";
import { ExecuteActionDocument, ExecutePlaybookDocument, RunDetailDocument } from "../client/generated/graphql.ts";
import { eventsOf, followRun, painted } from "./follow-run.ts";
import type { Connection } from "./server-connection.ts";
import { bold, brief, dim, duration, ExampleError, say } from "./terminal.ts";

export interface Containment {
  readonly isContained: boolean;
  /** False where the server does not let actions reach this machine. */
  readonly isReachable: boolean;
}

/** Executes the playbook for the finding of `finding.json` and shows it. */
export async function containSource(connection: Connection, key: string): Promise<Containment> {
  const finding = JSON.parse(await readFile(new URL("finding.json", import.meta.url), "utf8"));
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
  return {
    isContained: run.status === "SUCCEEDED",
    isReachable: run.steps.every(({ error }) => error?.code !== "egress_refused"),
  };
}

/** Executes one action as a run of its own. @returns Whether it succeeded. */
export async function executeAlone(connection: Connection, name: string): Promise<boolean> {
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
