import { setTimeout as sleep } from "node:timers/promises";
import { localId } from "../../../src/core/global-id.ts";
import type { Chance } from "./chance.ts";
import type { Answer, Clients } from "./clients.ts";
import { adminToken } from "./cluster.ts";
import type { ChaosNode } from "./node.ts";
import { type ChaosPlaybook, chaosPlaybooks } from "./playbooks.ts";

const startDocument = `mutation($input: ExecutePlaybookInput!) { answer: executePlaybook(input: $input) {
  ... on ExecutePlaybookPayload { run { id } } ... on Failure { code message } } }`;
const cancelDocument = `mutation($input: CancelRunInput!) { answer: cancelRun(input: $input) {
  ... on CancelRunPayload { run { id } } ... on Failure { code message } } }`;
const rerunDocument = `mutation($input: RerunFromFailureInput!) { answer: rerunFromFailure(input: $input) {
  ... on RerunFromFailurePayload { run { id } } ... on Failure { code message } } }`;

/** Between two starts of one caller. */
const pauseMs = { shortest: 40, longest: 260 };
const asAdmin = { token: adminToken };

/** Callers who start runs, cancel some of them and run failed ones again, and ask until they are answered. */
export class Starts {
  /** Runs that an answer named, by the row's id, with their playbook. */
  readonly accepted = new Map<string, ChaosPlaybook>();
  /** Those of them that are dry. */
  readonly dry = new Set<string>();
  /** Reruns, with the run that they are of. */
  readonly reruns = new Map<string, string>();
  readonly problems: string[] = [];
  readonly #clients: Clients;
  readonly #underWay = new Set<Promise<void>>();

  constructor(clients: Clients) {
    this.#clients = clients;
  }

  /** One caller; resolves when the load is over and all that it began has been answered. */
  async call(chance: Chance, load: AbortSignal): Promise<void> {
    const started = chaosPlaybooks.filter(({ isStarted }) => isStarted);
    for (let count = 0; !load.aborted; count += 1) {
      await this.#start(chance, chance.pick(started), `${chance.name}-${count}`);
      await sleep(chance.between(pauseMs.shortest, pauseMs.longest));
    }
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async #start(chance: Chance, playbook: ChaosPlaybook, idempotencyKey: string): Promise<void> {
    const { key, ends } = playbook;
    const dryRun = chance.isHit(0.04);
    const input = { key, context: { finding: { id: idempotencyKey } }, idempotencyKey, dryRun };
    const answers = await this.#clients.insist(chance, { ...asAdmin, document: startDocument, variables: { input } });
    const id = this.#onlyRun(idempotencyKey, answers);
    if (id === undefined) return;
    this.accepted.set(id.row, playbook);
    if (dryRun) this.dry.add(id.row);
    else if (ends.length === 0 || chance.isHit(0.1)) this.#later(chance, () => this.cancel(chance, id));
    else if (chance.isHit(0.15)) this.#later(chance, () => this.#rerun(chance, { id, playbook }));
  }

  /** Starts a run on this node if that answers, else on any. */
  async startOn(chance: Chance, node: ChaosNode, { playbook, name }: Purpose): Promise<RunId> {
    const variables = { input: { key: playbook.key, idempotencyKey: name } };
    const question = { ...asAdmin, document: startDocument, variables };
    const data = await this.#clients.ask<{ answer: Answer }>(node, question);
    const answers = data?.answer.run ? [data.answer] : await this.#clients.insist(chance, question);
    const id = this.#onlyRun(name, answers);
    if (id === undefined) throw new Error(`${name} did not start.`);
    this.accepted.set(id.row, playbook);
    return id;
  }

  #later(chance: Chance, act: () => Promise<void>): void {
    const acting = sleep(chance.between(0, 2_500)).then(act);
    this.#underWay.add(acting);
    void acting.finally(() => this.#underWay.delete(acting));
  }

  async cancel(chance: Chance, { id, row }: RunId): Promise<void> {
    const variables = { input: { id, reason: "chaos" } };
    const answers = await this.#clients.insist(chance, { ...asAdmin, document: cancelDocument, variables });
    for (const answer of answers) this.#expectCode(`cancel of ${row}`, answer, ["run_ended"]);
  }

  async #rerun(chance: Chance, { id, playbook }: { id: RunId; playbook: ChaosPlaybook }): Promise<void> {
    const variables = { input: { id: id.id, idempotencyKey: `again-${id.row}` } };
    const answers = await this.#clients.insist(chance, { ...asAdmin, document: rerunDocument, variables });
    const refusals = ["run_not_ended", "nothing_failed"];
    for (const answer of answers) this.#expectCode(`rerun of ${id.row}`, answer, refusals);
    if (!answers.some(({ run }) => run)) return;
    const again = this.#onlyRun(`rerun of ${id.row}`, answers);
    if (again === undefined) return;
    this.accepted.set(again.row, playbook);
    this.reruns.set(again.row, id.row);
  }

  #expectCode(what: string, { code, message }: Answer, codes: readonly string[]): void {
    if (code !== undefined && !codes.includes(code)) this.problems.push(`${what}: ${code} ${message}`);
  }

  /** The run that all of these answers name. */
  #onlyRun(what: string, answers: readonly Answer[]): RunId | undefined {
    const named = new Set(answers.flatMap(({ run }) => run?.id ?? []));
    const [id] = named;
    if (id === undefined) this.problems.push(`${what}: ${answers[0]?.code} ${answers[0]?.message}`);
    if (named.size > 1) this.problems.push(`${what} is ${named.size} runs`);
    return id === undefined ? undefined : { id, row: localId("Run", id) ?? id };
  }
}

export interface Purpose {
  readonly playbook: ChaosPlaybook;
  /** The idempotency key. */
  readonly name: string;
}

export interface RunId {
  /** Opaque. */
  readonly id: string;
  readonly row: string;
}
