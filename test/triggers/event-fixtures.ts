import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { expect, vi } from "vitest";
import { localId } from "../../src/core/global-id.ts";
import { Run } from "../../src/runs/entities.ts";
import type { TestServer } from "../support/server.ts";
import { mutate } from "../tenancy/strangers.ts";

type Fields = Readonly<Record<string, unknown>>;

/** A step that takes no time and needs no action. */
export const quickStep = { id: "check", name: "Check", type: "condition", expression: "true" };

export interface PlaybookFields {
  readonly key: string;
  readonly event?: string;
  readonly conditions?: Fields;
  /** Laid over the trigger. */
  readonly trigger?: Fields;
  readonly version?: string;
  readonly steps?: readonly Fields[];
  readonly enabled?: boolean;
}

export function playbookSource({
  key,
  event = "finding.new",
  conditions,
  version = "1.0.0",
  ...rest
}: PlaybookFields): string {
  const { steps = [quickStep], trigger = {}, enabled = true } = rest;
  return JSON.stringify({
    id: key,
    name: key,
    version,
    enabled,
    trigger: { event, ...(conditions ? { conditions } : {}), ...trigger },
    steps,
  });
}

export async function registerPlaybook(server: TestServer, fields: PlaybookFields, token = server.adminToken) {
  await mutate(server, token, "registerPlaybook", "playbook { id }", { source: playbookSource(fields) });
}

/** The document of that name among those that clients send. */
export function operationOf(name: string): string {
  const text = readFileSync(path.join(import.meta.dirname, "../../client/operations/playbooks.graphql"), "utf8");
  const [found] = new RegExp(`^mutation ${name}\\(.*?^}$`, "ms").exec(text) ?? [];
  if (found === undefined) throw new Error(`There is no operation ${name}.`);
  return found;
}

export interface EmitAnswer {
  readonly __typename: string;
  readonly code?: string;
  readonly message?: string;
  readonly issues?: readonly { readonly path: string; readonly code: string; readonly message: string }[];
  readonly event: { readonly id: string; readonly type: string; readonly receivedAt: string };
  readonly runs: readonly {
    readonly id: string;
    readonly status: string;
    readonly playbookVersion: { readonly version: string; readonly playbook: { readonly key: string } };
  }[];
}

const emitDocument = operationOf("EmitEvent").replace(
  "... on Failure",
  "... on ValidationFailure { issues { path code message } } ... on Failure",
);

/** `finding.new` about a finding, unless `input` says otherwise. */
export async function emit(server: TestServer, input: Fields = {}, token?: string): Promise<EmitAnswer> {
  const whole = { type: "finding.new", data: { finding: { id: "f-1" } }, ...input };
  return (await server.client(token).request<{ emitEvent: EmitAnswer }>(emitDocument, { input: whole })).emitEvent;
}

export function keysOf({ runs }: EmitAnswer): string[] {
  return runs.map(({ playbookVersion }) => playbookVersion.playbook.key).toSorted();
}

/** Every run of the database that an event started, straight from its table. */
export function triggeredRuns(server: TestServer): Promise<Run[]> {
  return server.orm.em.fork().find(Run, { eventId: { $ne: null } }, { orderBy: { id: "asc" } });
}

export function rowId(type: string, id: string): string {
  const row = localId(type, id);
  if (row === undefined) throw new Error(`${id} is no ${type}.`);
  return row;
}

/** Answers every request of a remote action at once, or when the test says so. */
export class Vendor {
  readonly #server: Server;
  #answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => response.end("{}");

  static async open(): Promise<Vendor> {
    const vendor = new Vendor();
    await new Promise<void>((resolve) => vendor.#server.listen(0, "127.0.0.1", resolve));
    return vendor;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      request.resume().on("end", () => this.#answer(request, response));
    });
  }

  answerWith(answer: (request: IncomingMessage, response: ServerResponse) => void): void {
    this.#answer = answer;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Registers a remote action that calls here. */
  async register(server: TestServer, name: string): Promise<void> {
    const { port } = this.#server.address() as AddressInfo;
    const definition = {
      name,
      version: "1.0.0",
      type: "containment",
      description: "Calls the vendor of a test.",
      parameters: [],
      executor: { type: "remote", target: `http://127.0.0.1:${port}/${name}` },
    };
    await mutate(server, server.adminToken, "registerAction", "action { id }", { definition });
  }
}

/** Starts a playbook by hand and answers its row's id. */
export async function execute(server: TestServer, key: string, input: Fields = {}): Promise<string> {
  const given = { key, ...input };
  const { run } = await mutate<{ run: { id: string } }>(
    server,
    server.adminToken,
    "executePlaybook",
    "run { id }",
    given,
  );
  return rowId("Run", run.id);
}

/** Resolves when nothing is left to be dispatched and every run of the database has ended. */
export async function quiet(server: TestServer): Promise<void> {
  const sql = `select (select count(*) from trigger_event where dispatched_at is null)
    + (select count(*) from run where finished_at is null) as left`;
  await vi.waitFor(
    async () => {
      const [row] = await server.orm.em.fork().execute<{ left: string }[]>(sql);
      expect(Number(row?.left)).toBe(0);
    },
    { timeout: 30_000, interval: 20 },
  );
}

/** Messages of a run's notices of what was held back. */
export async function heldBack(server: TestServer, runId: string): Promise<string[]> {
  const sql = `select body->>'message' as message from run_event
    where run_id = ? and type = 'NOTICE' and label = 'chain_held_back' order by sequence`;
  return (await server.orm.em.fork().execute<{ message: string }[]>(sql, [runId])).map(({ message }) => message);
}
