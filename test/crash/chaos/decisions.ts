import { setTimeout as sleep } from "node:timers/promises";
import { localId } from "../../../src/core/global-id.ts";
import type { Chance } from "./chance.ts";
import type { Answer, Clients } from "./clients.ts";
import type { ChaosCluster } from "./cluster.ts";
import { leaveAlone } from "./playbooks.ts";

const inboxDocument = `query { approvals(first: 100, filter: { status: PENDING }) { edges { node { id message expiresAt canDecide } } } }`;
const decideDocument = `mutation($input: DecideApprovalInput!) { answer: decideApproval(input: $input) {
  ... on DecideApprovalPayload { approval { status } } ... on Failure { code message } } }`;

interface Request {
  readonly id: string;
  readonly message: string | null;
  readonly expiresAt: string | null;
  readonly canDecide: boolean;
}

type Decision = "APPROVE" | "REJECT";

/** What is done about a request, in turn: one decision, two at once on two nodes, or nothing. */
const turns: readonly (readonly Decision[])[] = [
  ["APPROVE"],
  ["REJECT"],
  ["APPROVE", "APPROVE"],
  [],
  ["APPROVE", "REJECT"],
  ["APPROVE"],
];
/** Who is to be left to expire has to do so while the test lasts. */
const soonMs = 10_000;

/** People who look into their inbox on any node and decide, or not. */
export class Decisions {
  /** What was answered as decided, by the request's row. */
  readonly made = new Map<string, string[]>();
  readonly problems: string[] = [];
  readonly #cluster: ChaosCluster;
  readonly #clients: Clients;
  readonly #tokens: readonly string[];
  readonly #seen = new Map<string, readonly Decision[]>();

  constructor(cluster: ChaosCluster, clients: Clients, tokens: readonly string[]) {
    this.#cluster = cluster;
    this.#clients = clients;
    this.#tokens = tokens;
  }

  /** Decides until it is told that all is over. */
  async decide(chance: Chance, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const node = await this.#cluster.someUp(chance);
      const inbox = await this.#clients.ask<Inbox>(node, { token: chance.pick(this.#tokens), document: inboxDocument });
      const requests = (inbox?.approvals.edges ?? []).map((edge) => edge.node);
      await Promise.all(requests.map((request) => this.#consider(chance, request)));
      await sleep(chance.between(20, 200));
    }
  }

  async #consider(chance: Chance, { id, message, expiresAt, canDecide }: Request): Promise<void> {
    if (message === leaveAlone) return;
    const expires = expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(expiresAt);
    if (!canDecide && expires > Date.now()) this.problems.push(`${id} can't be decided by an approver`);
    const isExpiring = expires < Date.now() + soonMs;
    const turn = this.#seen.get(id) ?? turns[this.#seen.size % turns.length] ?? [];
    this.#seen.set(id, turn);
    const decisions = turn.length === 0 && !isExpiring ? (["REJECT"] as const) : turn;
    const nodes = [...this.#cluster.up];
    await Promise.all(
      decisions.map(async (decision, index) => {
        const node = nodes[(chance.between(0, 2) + index) % nodes.length];
        if (!node) return;
        const data = await this.#clients.ask<{ answer: Answer }>(node, {
          token: this.#tokens[index % this.#tokens.length] ?? "",
          document: decideDocument,
          variables: { input: { id, decision, comment: `by way of ${node.name}` } },
        });
        if (data) this.#note(id, data.answer);
      }),
    );
  }

  #note(id: string, { code, message, approval }: Answer): void {
    const rowId = localId("Approval", id) ?? id;
    if (approval) this.made.set(rowId, [...(this.made.get(rowId) ?? []), approval.status]);
    else if (!/^approval_(approved|rejected|expired|closed)$/.test(code ?? ""))
      this.problems.push(`decision of ${id}: ${code} ${message}`);
  }
}

interface Inbox {
  readonly approvals: { readonly edges: readonly { readonly node: Request }[] };
}
